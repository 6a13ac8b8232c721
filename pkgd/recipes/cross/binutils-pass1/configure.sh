mkdir build
cd build
# The book's switches and two more. --enable-deterministic-archives: Debian's ar leaves time and owner out of
# archives by default, this ar would not, and it is the one that makes libgcc.a and libc.a. --without-zstd: what
# this assembler can do is built into gcc, and must not depend on whether the seed has zstd.
../configure --prefix="$LFS/tools"             \
             --with-sysroot="$LFS"             \
             --target="$LFS_TGT"               \
             --disable-nls                     \
             --enable-gprofng=no               \
             --disable-werror                  \
             --enable-new-dtags                \
             --enable-default-hash-style=gnu   \
             --enable-deterministic-archives   \
             --without-zstd
