make -C build DESTDIR="$LFS" install
# The manuals are made by the seed's makeinfo, each version of which writes them in another way.
rm -r "$LFS/usr/share/info"
# The book: many a program asks for cc.
ln -s gcc "$LFS/usr/bin/cc"
