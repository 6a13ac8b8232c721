make -C build DESTDIR="$LFS" install
# The loader's names that the ABI and the LSB promise.
ln -s ../lib/ld-linux-x86-64.so.2 "$LFS/lib64/ld-linux-x86-64.so.2"
ln -s ../lib/ld-linux-x86-64.so.2 "$LFS/lib64/ld-lsb-x86-64.so.3"
# The book: ldd must not look for the loader below /usr.
sed -i '/RTLDLIST=/s@/usr@@g' "$LFS/usr/bin/ldd"
