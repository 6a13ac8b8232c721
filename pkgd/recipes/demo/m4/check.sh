# The suite of m4 itself. The one of gnulib beside it takes minutes and tests the C library.
make -C checks check
