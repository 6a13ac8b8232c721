cd "$(mktemp -d)"
echo one > a
printf '%s\n' '--- a' '+++ a' '@@ -1 +1 @@' -one +two | patch -p0
test "$(cat a)" = two
