# As for x86-64: it compiles without a C library, for the right machine, and looks for headers below the sysroot.
cd "$(mktemp -d)"
echo 'int answer(void) { return 42; }' > answer.c
"$LFS_TGT-gcc" -c answer.c
"$LFS_TGT-readelf" -h answer.o | grep -F "$ELF_MACHINE"
test "$("$LFS_TGT-gcc" -dumpmachine)" = "$LFS_TGT"
test "$("$LFS_TGT-gcc" -print-sysroot)" = "$LFS"
# 64-bit libraries live in lib.
"$LFS_TGT-gcc" -print-multi-os-directory | grep -xE '\.|\.\./lib'
# limits.h is the whole one: it goes on to the C library's.
grep -q 'include_next <limits.h>' "$(dirname "$("$LFS_TGT-gcc" -print-libgcc-file-name)")/include/limits.h"
