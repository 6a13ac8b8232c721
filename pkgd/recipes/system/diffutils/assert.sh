cd "$(mktemp -d)"
echo one > a
echo two > b
if diff -u a b > out; then exit 1; fi
grep -Fx -- '+two' out
if cmp a b; then exit 1; fi
