cd "$(mktemp -d)"
echo inside > a
tar -cf a.tar a
rm a
tar -xf a.tar --no-same-owner
test "$(cat a)" = inside
tar --acls --xattrs -cf b.tar a
