# The same tarball within a tarball as gcc.
tar -xOf "$SRC_DIR/gcc-14_14.2.0.orig.tar.gz" gcc-14-14.2.0/gcc-14.2.0-dfsg.tar.xz |
    tar -xJf - --strip-components=1 --no-same-owner
