make -f Makefile-libbz2_so
make clean
make
