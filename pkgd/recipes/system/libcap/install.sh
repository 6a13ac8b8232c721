make prefix=/usr lib=lib RAISE_SETFCAP=no DESTDIR="$PWD/dest" install
cp -a --remove-destination dest/. /
