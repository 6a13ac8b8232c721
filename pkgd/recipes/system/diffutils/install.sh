make DESTDIR="$PWD/dest" install
cp -a --remove-destination dest/. /
