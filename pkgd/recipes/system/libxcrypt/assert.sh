cd "$(mktemp -d)"
cat > ask.c <<'C'
#include <crypt.h>
#include <stdio.h>
int main(void) { return puts(crypt("secret", "$y$j9T$abcdefgh$")) < 0; }
C
gcc ask.c -o ask -lcrypt
./ask | grep -F '$y$j9T$abcdefgh$'
