# The database is compiled with the tic of this version; it has to run on the machine that builds.
mkdir native
cd native
../configure AWK=gawk
cd ..
# The book's switches, but for the manuals, which have other names where the seed is a Debian, and the tic: this version
# does not heed the TIC_PATH that the book gives when it installs, nor --with-tic-path, and would take the seed's.
./configure --prefix=/usr               \
            --host="$LFS_TGT"           \
            --build="$(./config.guess)" \
            --without-manpages          \
            --with-shared               \
            --without-normal            \
            --with-cxx-shared           \
            --without-debug             \
            --without-ada               \
            --disable-stripping         \
            TIC="$PWD/native/progs/tic" \
            AWK=gawk
