# The magic is compiled with the file of this version; it has to run on the machine that builds.
mkdir native
cd native
../configure --disable-bzlib --disable-libseccomp --disable-xzlib --disable-zlib
cd ..
./configure --prefix=/usr               \
            --host="$LFS_TGT"           \
            --build="$(./config.guess)"
