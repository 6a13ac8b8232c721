make prefix=/usr DESTDIR="$PWD/dest" install
rm dest/usr/lib/libzstd.a
cp -a --remove-destination dest/. /
