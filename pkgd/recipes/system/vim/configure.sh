./configure --prefix=/usr           \
            --with-tlib=ncursesw    \
            --enable-gui=no         \
            --without-x             \
            --disable-gpm           \
            --disable-canberra      \
            --disable-libsodium     \
            --with-compiledby=MinOS
