cd "$(mktemp -d)"
cat > ask.c <<'C'
#include <mpc.h>
#include <stdio.h>
int main(void) { return puts(mpc_get_version()) < 0; }
C
gcc ask.c -o ask -lmpc -lmpfr -lgmp
test "$(./ask)" = 1.3.1
