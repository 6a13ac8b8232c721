# Debian ships GCC as a tarball within a tarball; the outer one also carries newlib, which is not wanted.
tar -xOf "$SRC_DIR/gcc-14_14.2.0.orig.tar.gz" gcc-14-14.2.0/gcc-14.2.0-dfsg.tar.xz |
    tar -xJf - --strip-components=1 --no-same-owner
