# Defect of the tarball: a tree of the version control system, without configure.
autoreconf -fi
# The book: resizecons is for old screens, and wants svgalib.
sed -i '/RESIZECONS_PROGS=/s/yes/no/' configure
sed -i 's/resizecons.8 //' docs/man/man8/Makefile.in
