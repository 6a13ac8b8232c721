test "$(tput -T vt100 cols)" = 80
infocmp -1 linux | grep -F 'linux|Linux console'
cd "$(mktemp -d)"
cat > ask.c <<'C'
#include <curses.h>
#include <stdio.h>
int main(void) { return printf("%s\n", curses_version()) < 0; }
C
gcc ask.c -o ask -lncurses
readelf -d ask | grep -F 'libncursesw.so.6'
./ask | grep -F '6.5.20250216'
