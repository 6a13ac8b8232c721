# What was installed, by the loader and library that were built here, since /lib64 belongs to the seed.
loader="$LFS/usr/lib/ld-linux-x86-64.so.2"
run() { "$loader" --library-path "$LFS/usr/lib" "$LFS/usr/bin/$1" "${@:2}"; }
test "$(run printf 'b\na\n' | run sort | run tr '\n' ' ')" = "a b "
test "$(printf abc | run sha256sum)" = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -"
test -x "$LFS/usr/sbin/chroot"
test -x "$LFS/usr/bin/hostname"
test ! -e "$LFS/usr/bin/kill"
