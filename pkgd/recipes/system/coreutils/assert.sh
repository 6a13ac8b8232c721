test "$(printf '2\n1\n' | sort | head -n 1)" = 1
test "$(printf abc | sha256sum | cut -c1-8)" = ba7816bf
test -x /usr/sbin/chroot
test ! -e /usr/bin/kill || ! kill --version | grep -F coreutils
readelf -d /usr/bin/sha256sum | grep -F libcrypto.so
