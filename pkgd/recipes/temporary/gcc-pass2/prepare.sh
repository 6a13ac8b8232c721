# Defect of gcc-14.2.0-dfsg: the manuals (GFDL) are stubs, so build/genhooks finds no place to
# document the target hooks and the build stops in rule s-tm-texi. Nothing needs its result.
sed -i '/^s-tm-texi: build\/genhooks/,/^$/c s-tm-texi:\n\techo timestamp > $@\n' gcc/Makefile.in
grep -A1 '^s-tm-texi:$' gcc/Makefile.in

# Defect of gmp-6.3.0+dfsg: doc/ is missing, yet configure wants to make doc/Makefile.
mkdir gmp/doc
{
    printf 'TARGETS = all check install install-strip install-data install-exec uninstall'
    printf ' installdirs clean mostlyclean distclean maintainer-clean info html pdf ps dvi tags\n'
    printf '.PHONY: $(TARGETS)\n$(TARGETS):\n'
} > gmp/doc/Makefile.in

# The book: 64-bit libraries live in lib.
sed -i '/m64=/s/lib64/lib/' gcc/config/i386/t-linux64
# The book: threads of POSIX, although the compiler that builds libgcc and libstdc++ has none.
sed -i '/thread_header =/s/@.*@/gthr-posix.h/' libgcc/Makefile.in libstdc++-v3/include/Makefile.in
