# It compiles without a C library, for the right machine, and looks for headers below the sysroot.
cd "$(mktemp -d)"
echo 'int answer(void) { return 42; }' > answer.c
"$LFS_TGT-gcc" -c answer.c
"$LFS_TGT-readelf" -h answer.o | grep -F 'X86-64'
test "$("$LFS_TGT-gcc" -dumpmachine)" = "$LFS_TGT"
test "$("$LFS_TGT-gcc" -print-sysroot)" = "$LFS"
# limits.h is the whole one: it goes on to the C library's.
grep -q 'include_next <limits.h>' "$(dirname "$("$LFS_TGT-gcc" -print-libgcc-file-name)")/include/limits.h"
