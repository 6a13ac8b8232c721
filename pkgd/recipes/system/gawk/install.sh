make DESTDIR="$PWD/dest" install
ln -s gawk.1 dest/usr/share/man/man1/awk.1
cp -a --remove-destination dest/. /
