make -C build tooldir=/usr DESTDIR="$PWD/dest" install
# The book: static libraries that nobody links.
rm -f dest/usr/lib/lib{bfd,ctf,ctf-nobfd,gprofng,opcodes,sframe}.a
rm -rf dest/usr/share/doc/gprofng
# Libtool's notes name libraries that are not there any more.
find dest -name '*.la' -delete
cp -a --remove-destination dest/. /
