dhcpcd --version | grep -F 10.1.0
ldd /usr/sbin/dhcpcd
test -x /usr/lib/dhcpcd/dhcpcd-run-hooks
grep -F /usr/sbin/dhcpcd /usr/lib/minos/services/network.toml
