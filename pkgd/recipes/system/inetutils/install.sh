make DESTDIR="$PWD/dest" install
mv dest/usr/bin/ifconfig dest/usr/sbin/ifconfig
cp -a --remove-destination dest/. /
