# The book's sanity checks (5.5) as for x86-64, with the loader of the other machine, and in no other place.
cd "$(mktemp -d)"
expect() {
    if ! grep -E "$2" "$3"; then
        echo "sanity check failed: $1: nothing matches $2" >&2
        exit 1
    fi
    echo "ok: $1"
}
echo 'int main(void) { return 0; }' > dummy.c
"$LFS_TGT-gcc" dummy.c -v -Wl,--verbose -o dummy > dummy.log 2>&1
"$LFS_TGT-readelf" -l dummy > program-headers

expect "interpreter path" "program interpreter: /lib/${LOADER//./\\.}\]" program-headers
for object in Scrt1 crti crtn; do
    expect "start file $object.o" "$LFS/.*/$object\.o succeeded" dummy.log
done
expect "header search path, compiler" "^ $LFS/tools/lib/gcc/$LFS_TGT/[0-9.]+/include\$" dummy.log
expect "header search path, C library" "^ $LFS/usr/include\$" dummy.log
expect "linker search path" 'SEARCH_DIR\("=/usr/lib"\)' dummy.log
expect "libc found" "attempt to open $LFS/.*/libc\.so\.6 succeeded" dummy.log
expect "loader found" "^found ${LOADER//./\\.} at $LFS/" dummy.log
# Nothing of the machine that builds may be searched.
sed -n '/search starts here/,/End of search list/p' dummy.log > include-dirs
if grep -E '^ /' include-dirs | grep -v "^ $LFS/"; then
    echo "sanity check failed: a header directory outside $LFS is searched" >&2
    exit 1
fi
test "$(cd "$LFS/usr/lib" && echo ld-linux-*)" = "$LOADER"
test -z "$(ls -A "$LFS/lib64")"
