install -D -m755 -t dest/usr/sbin src/killall5 src/fstab-decode src/bootlogd
install -D -m644 -t dest/usr/share/man/man8 man/killall5.8 man/fstab-decode.8 man/bootlogd.8
cp -a --remove-destination dest/. /
