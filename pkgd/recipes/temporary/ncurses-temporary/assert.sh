# What was installed, by the loader and library that were built here, since /lib64 belongs to the seed.
loader="$LFS/usr/lib/ld-linux-x86-64.so.2"
run() { "$loader" --library-path "$LFS/usr/lib" "$LFS/usr/bin/$1" "${@:2}"; }
export TERMINFO="$LFS/usr/share/terminfo"
test "$(run tput -T vt100 cols)" = 80
run infocmp -1 linux | grep -F 'linux|Linux console'
cd "$(mktemp -d)"
cat > ask.c <<'C'
#include <curses.h>
#include <stdio.h>
int main(void) { return printf("%s\n", curses_version()) < 0; }
C
"$LFS_TGT-gcc" ask.c -o ask -lncurses
"$LFS_TGT-readelf" -d ask | grep -F 'libncursesw.so.6'
"$loader" --library-path "$LFS/usr/lib" ./ask | grep -F '6.5.20250216'
# Compiled by this tic: that of a Debian, which was taken once, makes symbolic links of second names.
test -z "$(find "$TERMINFO" -type l)"
