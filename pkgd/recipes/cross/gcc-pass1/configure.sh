mkdir build
cd build
# The book's switches.
../configure --target="$LFS_TGT"         \
             --prefix="$LFS/tools"       \
             --with-glibc-version=2.41   \
             --with-sysroot="$LFS"       \
             --with-newlib               \
             --without-headers           \
             --enable-default-pie        \
             --enable-default-ssp        \
             --disable-nls               \
             --disable-shared            \
             --disable-multilib          \
             --disable-threads           \
             --disable-libatomic         \
             --disable-libgomp           \
             --disable-libquadmath       \
             --disable-libssp            \
             --disable-libvtv            \
             --disable-libstdcxx         \
             --enable-languages=c,c++
