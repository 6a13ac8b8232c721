cd "$(mktemp -d)"
# The book's sanity checks: interpreter, start files, headers and library are those of this root.
echo 'int main(void) { return 0; }' > dummy.c
gcc dummy.c -v -Wl,--verbose -o dummy > dummy.log 2>&1
readelf -l dummy | grep -F 'program interpreter: /lib64/ld-linux-x86-64.so.2'
for object in Scrt1 crti crtn; do
    grep -E "/lib/.*$object\.o succeeded" dummy.log
done
grep -E 'attempt to open .*/lib/libc\.so\.6 succeeded' dummy.log
grep -E '^found ld-linux-x86-64\.so\.2 at /' dummy.log
./dummy
cat > ask.c <<'C'
#include <gnu/libc-version.h>
#include <locale.h>
#include <stdio.h>
int main(void)
{
    printf("%s %s\n", gnu_get_libc_version(), setlocale(LC_ALL, "de_DE.UTF-8"));
    return printf("%.1f\n", 1.5) < 0;
}
C
gcc ask.c -o ask
./ask > told
printf '2.41 de_DE.UTF-8\n1,5\n' | cmp - told
test "$(LC_ALL=C.UTF-8 locale charmap)" = UTF-8
test "$(printf 'gr\303\274n' | iconv -f UTF-8 -t ISO-8859-1 | od -An -tx1 | tr -d ' ')" = 6772fc6e
