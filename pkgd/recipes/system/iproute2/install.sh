make DESTDIR="$PWD/dest" SBINDIR=/usr/sbin install
cp -a --remove-destination dest/. /
