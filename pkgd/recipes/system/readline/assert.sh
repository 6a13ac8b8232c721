cd "$(mktemp -d)"
cat > ask.c <<'C'
#include <stdio.h>
#include <readline/readline.h>
int main(void) { return printf("%s\n", rl_library_version) < 0; }
C
gcc ask.c -o ask -lreadline
./ask | grep -x 8.2
readelf -d /usr/lib/libreadline.so.8 | grep -F 'libncursesw.so.6'
