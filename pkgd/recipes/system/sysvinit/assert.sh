test "$(fstab-decode echo 'a\040b')" = 'a b'
test -x /usr/sbin/killall5
test -x /usr/sbin/bootlogd
