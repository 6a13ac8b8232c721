make SHLIB_LIBS="-lncursesw" DESTDIR="$PWD/dest" install
cp -a --remove-destination dest/. /
