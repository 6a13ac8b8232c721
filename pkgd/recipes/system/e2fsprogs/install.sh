make -C build DESTDIR="$PWD/dest" install
rm dest/usr/lib/{libcom_err,libe2p,libext2fs,libss}.a
cp -a --remove-destination dest/. /
