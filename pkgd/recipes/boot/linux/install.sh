# Everything is built in: there are no modules.
release=$(make -s kernelrelease)
install -D -m644 arch/x86/boot/bzImage "dest/boot/vmlinuz-$release"
install -D -m644 System.map "dest/boot/System.map-$release"
install -D -m644 .config "dest/boot/config-$release"
cp -a --remove-destination dest/. /
