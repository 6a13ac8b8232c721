make -C libelf DESTDIR="$PWD/dest" install
install -D -m644 config/libelf.pc dest/usr/lib/pkgconfig/libelf.pc
rm dest/usr/lib/libelf.a
cp -a --remove-destination dest/. /
