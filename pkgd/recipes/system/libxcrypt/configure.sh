# A tree of git: configure has to be made.
autoreconf -fi
# The book's switches.
./configure --prefix=/usr --enable-hashes=strong,glibc --enable-obsolete-api=no \
            --disable-static --disable-failure-tokens
