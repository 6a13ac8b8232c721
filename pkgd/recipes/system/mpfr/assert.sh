cd "$(mktemp -d)"
cat > ask.c <<'C'
#include <mpfr.h>
#include <stdio.h>
int main(void) { mpfr_t x; mpfr_init2(x, 200); mpfr_const_pi(x, MPFR_RNDN); return mpfr_printf("%.20Rf\n", x) < 0; }
C
gcc ask.c -o ask -lmpfr -lgmp
test "$(./ask)" = 3.14159265358979323846
