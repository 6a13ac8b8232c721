# The book: no old copies beside the new libraries, and no run path in them. 8.2 without its 13 patches,
# which Debian's tarball does not have.
sed -i '/MV.*old/d' Makefile.in
sed -i '/{OLDSUFF}/c:' support/shlib-install
sed -i 's/-Wl,-rpath,[^ ]*//' support/shobj-conf
