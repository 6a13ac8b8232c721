# The book: what would be installed into libexec and share for the extras is not needed.
sed -i '/^SUBDIRS/s/extras//' Makefile.in
# Defect of Debian's tarball: the manual (GFDL) is removed, yet doc/ is built and awklib/ is made from it.
sed -i '/^SUBDIRS/s/ doc / /' Makefile.in
sed -i 's#^\$(srcdir)/stamp-eg: .*#$(srcdir)/stamp-eg:#' awklib/Makefile.in
grep -Fx '$(srcdir)/stamp-eg:' awklib/Makefile.in
