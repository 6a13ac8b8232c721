# What was installed, by the loader and library that were built here, since /lib64 belongs to the seed.
loader="$LFS/usr/lib/ld-linux-x86-64.so.2"
run() { "$loader" --library-path "$LFS/usr/lib" "$LFS/usr/bin/$1" "${@:2}"; }
cd "$(mktemp -d)"
mkdir -p a/b
touch a/b/c
test "$(run find . -type f)" = ./a/b/c
test "$(run find . -type f -print0 | run xargs -0 -n1 echo got)" = "got ./a/b/c"
