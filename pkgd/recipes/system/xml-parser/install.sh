make DESTDIR="$PWD/dest" install
chmod -R u+w dest
cp -a --remove-destination dest/. /
