make -C build DESTDIR="$LFS" install
# The book: libtool archives do harm when cross-compiling.
rm "$LFS"/usr/lib/lib{stdc++{,exp,fs},supc++}.la
