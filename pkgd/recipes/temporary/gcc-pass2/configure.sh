mkdir build
cd build
# The book's switches.
../configure --build="$(../config.guess)"                            \
             --host="$LFS_TGT"                                       \
             --target="$LFS_TGT"                                     \
             LDFLAGS_FOR_TARGET="-L$PWD/$LFS_TGT/libgcc"             \
             --prefix=/usr                                           \
             --with-build-sysroot="$LFS"                             \
             --enable-default-pie                                    \
             --enable-default-ssp                                    \
             --disable-nls                                           \
             --disable-multilib                                      \
             --disable-libatomic                                     \
             --disable-libgomp                                       \
             --disable-libquadmath                                   \
             --disable-libsanitizer                                  \
             --disable-libssp                                        \
             --disable-libvtv                                        \
             --enable-languages=c,c++
