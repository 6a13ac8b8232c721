cd "$(mktemp -d)"
echo 'int main(void) { return 0; }' > dummy.c
gcc dummy.c -o dummy -Wl,--version | grep -F 2.44
gcc dummy.c -o dummy
./dummy
as --version | grep -F 2.44
# The linker looks at the places of this system and nowhere else.
ld --verbose | grep -E 'SEARCH_DIR\("=?/usr/lib"\)'
if ld --verbose | grep -F /lfs; then exit 1; fi
