# As for x86-64: the linker looks below the sysroot only, the assembler makes objects for the right machine,
# archives hold no time.
cd "$(mktemp -d)"
"$LFS_TGT-ld" --verbose | grep -F 'SEARCH_DIR("=/usr/lib")'
echo '.globl answer; answer: ret' | "$LFS_TGT-as" -o answer.o
"$LFS_TGT-readelf" -h answer.o | grep -F "$ELF_MACHINE"
"$LFS_TGT-ar" cr one.a answer.o
touch -d @1 answer.o
"$LFS_TGT-ar" cr two.a answer.o
cmp one.a two.a
