for dir in bin lib sbin; do
    test "$(readlink "/$dir")" = "usr/$dir"
done
test -d /lib64
test ! -L /lib64
test "$(stat -c %a /root)" = 750
test "$(stat -c %a /var/tmp)" = 1777
# The C library reads both files.
test "$(id -un 0)" = root
test "$(stat -c %G /var/log/lastlog)" = utmp
