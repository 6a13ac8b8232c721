# What was installed, by the loader and library that were built here, since /lib64 belongs to the seed.
loader="$LFS/usr/lib/ld-linux-x86-64.so.2"
run() { "$loader" --library-path "$LFS/usr/lib" "$LFS/usr/bin/$1" "${@:2}"; }
cd "$(mktemp -d)"
echo one > a
printf '%s\n' '--- a' '+++ a' '@@ -1 +1 @@' -one +two | run patch -p0
test "$(cat a)" = two
