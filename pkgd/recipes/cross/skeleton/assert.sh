# The three links have to be links, and to lead into usr.
for dir in bin lib sbin; do
    test "$(readlink "$LFS/$dir")" = "usr/$dir"
    test -d "$LFS/$dir/"
done
test -d "$LFS/lib64"
test ! -L "$LFS/lib64"
