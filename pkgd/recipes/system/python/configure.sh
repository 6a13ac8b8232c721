# The book's switches but one: --enable-optimizations compiles by a profile of a run, which is never the same twice.
./configure --prefix=/usr                 \
            --enable-shared               \
            --with-system-expat           \
            --without-static-libpython
