make -C unix DESTDIR="$PWD/dest" install
chmod 644 dest/usr/lib/libtclstub8.6.a
chmod 755 dest/usr/lib/libtcl8.6.so
make -C unix DESTDIR="$PWD/dest" install-private-headers
ln -s tclsh8.6 dest/usr/bin/tclsh
# The book: perl has a page of that name.
mv dest/usr/share/man/man3/{Thread,Tcl_Thread}.3
cp -a --remove-destination dest/. /
