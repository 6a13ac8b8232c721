make DESTDIR="$LFS" install
# The book: libtool archives do harm when cross-compiling.
rm "$LFS/usr/lib/liblzma.la"
