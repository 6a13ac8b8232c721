# The ABIs of these machines promise their loader in /lib, where it is: no link in /lib64 as on x86-64.
make -C build DESTDIR="$LFS" install
# The book: ldd must not look for the loader below /usr.
sed -i '/RTLDLIST=/s@/usr@@g' "$LFS/usr/bin/ldd"
