# The book: libxcrypt brings better ones.
rm man/man3/crypt*
