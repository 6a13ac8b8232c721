DESTDIR="$PWD/dest" ninja -C build install
cp -a --remove-destination dest/. /
