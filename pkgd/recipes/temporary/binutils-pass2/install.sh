make -C build DESTDIR="$LFS" install
# The book: archives of libtool do harm when cross-compiling, and static libraries are not needed.
rm "$LFS"/usr/lib/lib{bfd,ctf,ctf-nobfd,opcodes,sframe}.{a,la}
# Two of the manuals are made by the seed's makeinfo, each version of which writes them in another way.
rm -r "$LFS/usr/share/info"
