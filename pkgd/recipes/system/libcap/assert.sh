cd "$(mktemp -d)"
cat > ask.c <<'C'
#include <stdio.h>
#include <sys/capability.h>
int main(void) { return puts(cap_to_name(CAP_CHOWN)) < 0; }
C
gcc ask.c -o ask -lcap
./ask | grep -x cap_chown
capsh --print | grep -F Current
