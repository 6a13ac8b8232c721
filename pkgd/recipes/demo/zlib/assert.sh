# A program compiled against the new header and library packs and unpacks, static and dynamic.
cd "$(mktemp -d)"
cat > round.c <<'C'
#include <string.h>
#include <stdio.h>
#include <zlib.h>
int main(void) {
    const char *text = "the same text the same text the same text";
    unsigned char packed[200], back[200];
    uLongf n = sizeof packed, m = sizeof back;
    if (compress(packed, &n, (const unsigned char *)text, strlen(text) + 1) != Z_OK) return 1;
    if (uncompress(back, &m, packed, n) != Z_OK) return 2;
    puts(zlibVersion());
    return strcmp(text, (char *)back) != 0;
}
C
gcc round.c -o round-static /usr/lib/libz.a
gcc round.c -o round -L/usr/lib -lz
test "$(./round-static)" = 1.3.1
test "$(LD_LIBRARY_PATH=/usr/lib ./round)" = 1.3.1
