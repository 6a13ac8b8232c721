# What was installed, by the loader and library that were built here, since /lib64 belongs to the seed.
loader="$LFS/usr/lib/ld-linux-x86-64.so.2"
run() { "$loader" --library-path "$LFS/usr/lib" "$LFS/usr/bin/$1" "${@:2}"; }
run file --magic-file "$LFS/usr/share/misc/magic.mgc" "$LFS/usr/bin/file" | grep -F 'ELF 64-bit LSB'
