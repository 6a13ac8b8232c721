# Defect of Debian's glibc tarball: manual/ (GFDL) is removed, Makeconfig still descends into it.
sed -i '/^all-subdirs/,/[^\\]$/s/\<manual\> *//' Makeconfig
if sed -n '/^all-subdirs/,/[^\\]$/p' Makeconfig | grep -w manual; then exit 1; fi
# The book: the test of an installed library fails in every unfinished system.
sed '/test-installation/s@$(PERL)@echo not running@' -i Makefile
