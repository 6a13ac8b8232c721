make DESTDIR="$PWD/dest" install
ln -s bash dest/usr/bin/sh
cp -a --remove-destination dest/. /
