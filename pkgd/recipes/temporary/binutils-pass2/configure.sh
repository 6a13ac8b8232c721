mkdir build
cd build
# The book's switches and one more: --enable-deterministic-archives, as in pass 1.
../configure --prefix=/usr                   \
             --host="$LFS_TGT"               \
             --build="$(../config.guess)"    \
             --disable-nls                   \
             --enable-shared                 \
             --enable-gprofng=no             \
             --disable-werror                \
             --enable-64-bit-bfd             \
             --enable-new-dtags              \
             --enable-default-hash-style=gnu \
             --enable-deterministic-archives
