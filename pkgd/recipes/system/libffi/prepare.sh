# Defect of the tarball: a tree of the version control system, without configure.
autoreconf -fi
