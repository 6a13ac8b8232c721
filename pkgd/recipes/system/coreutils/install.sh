make DESTDIR="$PWD/dest" install
# The book: where the FHS wants it.
mkdir -p dest/usr/sbin dest/usr/share/man/man8
mv dest/usr/bin/chroot dest/usr/sbin/chroot
sed 's/"1"/"8"/' dest/usr/share/man/man1/chroot.1 > dest/usr/share/man/man8/chroot.8
rm dest/usr/share/man/man1/chroot.1
cp -a --remove-destination dest/. /
