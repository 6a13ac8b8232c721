make check TESTSUITEFLAGS="-j$(nproc)"
