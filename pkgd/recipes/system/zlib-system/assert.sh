cd "$(mktemp -d)"
cat > ask.c <<'C'
#include <stdio.h>
#include <zlib.h>
int main(void) { return puts(zlibVersion()) < 0; }
C
gcc ask.c -o ask -lz
./ask | grep -x 1.3.1
readelf -d ask | grep -F 'libz.so.1'
