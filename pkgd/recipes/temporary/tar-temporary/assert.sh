# What was installed, by the loader and library that were built here, since /lib64 belongs to the seed.
loader="$LFS/usr/lib/ld-linux-x86-64.so.2"
run() { "$loader" --library-path "$LFS/usr/lib" "$LFS/usr/bin/$1" "${@:2}"; }
cd "$(mktemp -d)"
echo inside > a
run tar -cf a.tar a
rm a
run tar -xf a.tar --no-same-owner
test "$(cat a)" = inside
