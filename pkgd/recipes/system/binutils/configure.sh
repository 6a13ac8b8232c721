mkdir build
cd build
# The book's switches; archives without times and owners, as in chapter 5.
../configure --prefix=/usr                      \
             --sysconfdir=/etc                  \
             --enable-ld=default                \
             --enable-plugins                   \
             --enable-shared                    \
             --disable-werror                   \
             --enable-64-bit-bfd                \
             --enable-new-dtags                 \
             --with-system-zlib                 \
             --enable-default-hash-style=gnu    \
             --enable-deterministic-archives
