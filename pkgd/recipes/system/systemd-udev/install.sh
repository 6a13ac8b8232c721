helpers=$(grep "'name' :" src/udev/meson.build | awk '{ print $3 }' | tr -d ",'" | grep -v udevadm)
dest=$PWD/dest
cd build
install -m755 -d "$dest"/usr/lib/udev/{hwdb.d,rules.d,network} "$dest"/etc/udev/{hwdb.d,rules.d,network}
install -m755 -d "$dest"/usr/{bin,sbin,include,lib/pkgconfig,share/pkgconfig}
install -m755 udevadm "$dest/usr/bin/"
install -m755 systemd-hwdb "$dest/usr/bin/udev-hwdb"
ln -s ../bin/udevadm "$dest/usr/sbin/udevd"
cp -a libudev.so{,*[0-9]} "$dest/usr/lib/"
install -m644 ../src/libudev/libudev.h "$dest/usr/include/"
install -m644 src/libudev/*.pc "$dest/usr/lib/pkgconfig/"
install -m644 src/udev/*.pc "$dest/usr/share/pkgconfig/"
install -m644 ../src/udev/udev.conf "$dest/etc/udev/"
install -m644 rules.d/* ../rules.d/README "$dest/usr/lib/udev/rules.d/"
install -m644 $(find ../rules.d/*.rules -not -name '*power-switch*') "$dest/usr/lib/udev/rules.d/"
install -m644 hwdb.d/* ../hwdb.d/{*.hwdb,README} "$dest/usr/lib/udev/hwdb.d/"
install -m755 $helpers "$dest/usr/lib/udev"
install -m644 ../network/99-default.link "$dest/usr/lib/udev/network"
cd ..
# The book makes the database on the running system; it is made of nothing but the files above.
# It names those files in it, so it is made where they will be.
cp -a --remove-destination dest/. /
udev-hwdb update --usr
