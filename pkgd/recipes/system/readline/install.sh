make SHLIB_LIBS="-lncursesw" DESTDIR="$PWD/dest" install
rm -f dest/usr/share/info/dir
cp -a --remove-destination dest/. /
