kmod --version | grep -F +XZ
test -x /usr/sbin/modprobe
