# What was installed, by the loader and library that were built here, since /lib64 belongs to the seed.
loader="$LFS/usr/lib/ld-linux-x86-64.so.2"
run() { "$loader" --library-path "$LFS/usr/lib" "$LFS/usr/bin/$1" "${@:2}"; }
test "$(echo "3 4" | run gawk '{ print $1 * $2 }')" = 12
test "$(readlink "$LFS/usr/bin/awk")" = gawk
