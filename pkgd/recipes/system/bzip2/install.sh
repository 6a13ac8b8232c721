make PREFIX="$PWD/dest/usr" install
cp -a libbz2.so.* dest/usr/lib/
ln -s libbz2.so.1.0.8 dest/usr/lib/libbz2.so
cp bzip2-shared dest/usr/bin/bzip2
ln -sf bzip2 dest/usr/bin/bzcat
ln -sf bzip2 dest/usr/bin/bunzip2
rm dest/usr/lib/libbz2.a
cp -a --remove-destination dest/. /
