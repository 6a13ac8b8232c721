# Debian ships GCC as a tarball within a tarball; the outer one also carries newlib, which is not wanted.
tar -xOf "$SRC_DIR/gcc-14_14.2.0.orig.tar.gz" gcc-14-14.2.0/gcc-14.2.0-dfsg.tar.xz |
    tar -xJf - --strip-components=1 --no-same-owner
# GCC builds these three along with itself when it finds them in its tree.
mkdir gmp mpfr mpc
tar -xf "$SRC_DIR/gmp_6.3.0+dfsg.orig.tar.xz" -C gmp  --strip-components=1 --no-same-owner
tar -xf "$SRC_DIR/mpfr4_4.2.2.orig.tar.xz"    -C mpfr --strip-components=1 --no-same-owner
tar -xf "$SRC_DIR/mpclib3_1.3.1.orig.tar.gz"  -C mpc  --strip-components=1 --no-same-owner
