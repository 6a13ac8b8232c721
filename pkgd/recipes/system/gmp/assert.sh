cd "$(mktemp -d)"
cat > ask.c <<'C'
#include <gmp.h>
int main(void) { mpz_t n; mpz_init(n); mpz_ui_pow_ui(n, 2, 100); return gmp_printf("%Zd\n", n) < 0; }
C
gcc ask.c -o ask -lgmp
test "$(./ask)" = 1267650600228229401496703205376
