./configure --prefix=/usr                           \
            --host="$LFS_TGT"                       \
            --build="$(build-aux/config.guess)"     \
            --enable-install-program=hostname       \
            --enable-no-install-program=kill,uptime
