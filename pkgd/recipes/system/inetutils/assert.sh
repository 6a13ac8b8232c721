ping --version | grep -F 2.6
test -u /usr/bin/ping
test -x /usr/sbin/ifconfig
test "$(hostname)" = "$(uname -n)"
syslogd --version | grep -F 2.6
