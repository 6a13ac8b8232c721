# Defect of make-dfsg: doc/ (GFDL) is removed, yet configure makes doc/Makefile and the manual page is installed.
mkdir -p doc
{
    printf 'TARGETS = all check install install-strip install-data install-exec uninstall'
    printf ' installdirs clean mostlyclean distclean maintainer-clean info html pdf ps dvi tags\n'
    printf '.PHONY: $(TARGETS)\n$(TARGETS):\n'
} > doc/Makefile.in
: > doc/make.1
