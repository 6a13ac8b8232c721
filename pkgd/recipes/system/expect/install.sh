make DESTDIR="$PWD/dest" install
ln -s expect5.45.4/libexpect5.45.4.so dest/usr/lib/libexpect5.45.4.so
cp -a --remove-destination dest/. /
