# The book: the answer that configure cannot find out, since it cannot run what it compiled.
./configure --prefix=/usr                         \
            --host="$LFS_TGT"                     \
            --build="$(./build-aux/config.guess)" \
            gl_cv_func_strcasecmp_works=y
