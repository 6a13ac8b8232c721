make DESTDIR="$PWD/dest" install
ln -s pkgconf dest/usr/bin/pkg-config
ln -s pkgconf.1 dest/usr/share/man/man1/pkg-config.1
cp -a --remove-destination dest/. /
