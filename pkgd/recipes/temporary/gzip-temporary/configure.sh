# Whether there is a zless must not depend on whether the seed has a less.
./configure --prefix=/usr     \
            --host="$LFS_TGT" \
            ac_cv_prog_LESS=
