make -C build DESTDIR="$LFS" install
# GCC does not heed AM_UPDATE_INFO_DIR; an index of manuals would belong to more than one package.
rm -f "$LFS/usr/share/info/dir"
# The book: many a program asks for cc.
ln -s gcc "$LFS/usr/bin/cc"
