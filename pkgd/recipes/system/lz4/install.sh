make BUILD_STATIC=no PREFIX=/usr DESTDIR="$PWD/dest" install
cp -a --remove-destination dest/. /
