./configure --prefix=/usr                       \
            --host="$LFS_TGT"                   \
            --build="$(build-aux/config.guess)" \
            --disable-static                    \
            --docdir=/usr/share/doc/xz-5.8.1
