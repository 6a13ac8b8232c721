# It is read without complaint, and what it says holds.
test "$(env -i TERM=linux bash -lc 'echo $LANG $PATH')" = 'C.UTF-8 /usr/bin:/usr/sbin'
. /etc/os-release
test "$ID" = minos
for shell in $(cat /etc/shells); do
    test -x "$shell"
done
for word in halt poweroff reboot; do
    sh -n "/usr/sbin/$word"
done
sh -n /usr/sbin/shutdown
for words in "" "-r" "-r 23:00"; do
    if /usr/sbin/shutdown $words; then exit 1; fi
done
