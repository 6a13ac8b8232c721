test -f /usr/share/man/man2/openat2.2
test -f /usr/share/man/man7/signal.7
test ! -e /usr/share/man/man3/crypt.3
