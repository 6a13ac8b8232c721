udevadm --version | grep -F 257
udevadm verify --no-summary /usr/lib/udev/rules.d/50-udev-default.rules
test -s /usr/lib/udev/hwdb.bin
pkg-config --exists libudev
