make -R GIT=false prefix=/usr DESTDIR="$PWD/dest" install
cp -a --remove-destination dest/. /
