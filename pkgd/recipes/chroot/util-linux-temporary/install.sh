install -d /var/lib/hwclock
make install
