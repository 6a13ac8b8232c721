make DESTDIR="$PWD/dest" docdir=/usr/share/doc/check-0.15.2 install
cp -a --remove-destination dest/. /
