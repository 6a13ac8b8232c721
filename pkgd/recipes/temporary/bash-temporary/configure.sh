# A cross configure takes the C library's getcwd() for broken, and bash's own does not work on overlayfs, where the
# inode numbers that readdir() gives are not those of stat(): `pwd` fails wherever PWD is not right already.
./configure --prefix=/usr                        \
            --host="$LFS_TGT"                    \
            --build="$(sh support/config.guess)" \
            --without-bash-malloc                \
            bash_cv_getcwd_malloc=yes
