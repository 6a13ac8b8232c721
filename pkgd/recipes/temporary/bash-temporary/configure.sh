./configure --prefix=/usr                        \
            --host="$LFS_TGT"                    \
            --build="$(sh support/config.guess)" \
            --without-bash-malloc
