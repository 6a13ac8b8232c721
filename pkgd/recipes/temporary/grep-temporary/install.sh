make DESTDIR="$LFS" install
