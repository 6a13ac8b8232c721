# What was installed, by the loader and library that were built here, since /lib64 belongs to the seed.
loader="$LFS/usr/lib/ld-linux-x86-64.so.2"
run() { "$loader" --library-path "$LFS/usr/lib" "$LFS/usr/bin/$1" "${@:2}"; }
cd "$(mktemp -d)"
printf '.globl _start\n_start:\n mov $60, %%eax\n mov $7, %%edi\n syscall\n' > seven.s
run as seven.s -o seven.o
run ld seven.o -o seven
code=0
./seven || code=$?
test "$code" = 7
