./configure --prefix=/usr     \
            --host="$LFS_TGT"
