cd "$(mktemp -d)"
cat > kind.c <<'C'
#include <fcntl.h>
#include <libelf.h>
#include <stddef.h>
int main(int argc, char **argv) {
    if (argc != 2 || elf_version(EV_CURRENT) == EV_NONE) return 2;
    return elf_kind(elf_begin(open(argv[1], O_RDONLY), ELF_C_READ, NULL)) != ELF_K_ELF;
}
C
gcc kind.c -o kind -lelf
./kind ./kind
