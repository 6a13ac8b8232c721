# The build is without the test programs, which are half of the compiling.
./config --prefix=/usr --openssldir=/etc/ssl --libdir=lib shared zlib-dynamic
make
make HARNESS_JOBS="$(nproc)" test
