for script in setup udev-settle login; do
    sh -n "/usr/lib/minos/$script"
    test -x "/usr/lib/minos/$script"
done
grep -Fx 'root::::::::' /etc/shadow
test "$(wc -l < /etc/shadow)" = "$(wc -l < /etc/passwd)"
test "$(stat -c %a /etc/shadow)" = 600
test "$(grep -c '^exec = ' /usr/lib/minos/services/*.toml | grep -c ':1$')" = 5
