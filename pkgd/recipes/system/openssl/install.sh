# The book: without the static libraries.
sed -i '/INSTALL_LIBS/s/libcrypto.a libssl.a//' Makefile
make DESTDIR="$PWD/dest" MANSUFFIX=ssl install
mv dest/usr/share/doc/openssl dest/usr/share/doc/openssl-3.5.7
cp -a --remove-destination dest/. /
