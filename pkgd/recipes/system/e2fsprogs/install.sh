# Its ldconfig would leave a cache with the times of files in /var.
make -C build DESTDIR="$PWD/dest" LDCONFIG=true install
rm dest/usr/lib/{libcom_err,libe2p,libext2fs,libss}.a
cp -a --remove-destination dest/. /
