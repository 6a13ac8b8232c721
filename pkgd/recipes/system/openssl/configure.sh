# The book's switches, without the test programs, which are half of the compiling.
./config --prefix=/usr          \
         --openssldir=/etc/ssl  \
         --libdir=lib           \
         shared                 \
         zlib-dynamic           \
         no-tests
