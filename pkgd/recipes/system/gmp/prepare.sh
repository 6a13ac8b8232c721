# Defect of gmp-6.3.0+dfsg: doc/ is missing, yet configure wants to make doc/Makefile.
mkdir doc
{
    printf 'TARGETS = all check install install-strip install-data install-exec uninstall'
    printf ' installdirs clean mostlyclean distclean maintainer-clean info html pdf ps dvi tags\n'
    printf '.PHONY: $(TARGETS)\n$(TARGETS):\n'
} > doc/Makefile.in
