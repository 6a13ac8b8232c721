make DESTDIR="$PWD/dest" install
chmod 0755 dest/usr/lib/preloadable_libintl.so
cp -a --remove-destination dest/. /
