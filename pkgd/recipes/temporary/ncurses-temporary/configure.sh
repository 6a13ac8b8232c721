# The database is compiled with the tic of this version; it has to run on the machine that builds.
mkdir native
cd native
../configure AWK=gawk
cd ..
# The book's switches, but for the manuals, which have other names where the seed is a Debian, and the tic: that the
# book gives as TIC_PATH when it installs this version does not heed, and takes the seed's.
./configure --prefix=/usr               \
            --host="$LFS_TGT"           \
            --build="$(./config.guess)" \
            --without-manpages          \
            --with-tic-path="$PWD/native/progs/tic" \
            --with-shared               \
            --without-normal            \
            --with-cxx-shared           \
            --without-debug             \
            --without-ada               \
            --disable-stripping         \
            AWK=gawk
