make DESTDIR="$PWD/dest" install
install -D -m644 doc/I18N-HOWTO dest/usr/share/doc/intltool-0.51.0/I18N-HOWTO
cp -a --remove-destination dest/. /
