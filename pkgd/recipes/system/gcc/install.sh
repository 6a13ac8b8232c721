make -C build DESTDIR="$PWD/dest" install
rm -f dest/usr/share/info/dir
# The book: names that programs ask for, and the linker's plugin where binutils' tools look.
ln -sf gcc dest/usr/bin/cc
ln -sf gcc.1 dest/usr/share/man/man1/cc.1
ln -sf ../bin/cpp dest/usr/lib/cpp
mkdir -p dest/usr/lib/bfd-plugins dest/usr/share/gdb/auto-load/usr/lib
triplet="$(dest/usr/bin/gcc -dumpmachine)"
ln -sf "../../libexec/gcc/$triplet/14.2.0/liblto_plugin.so" dest/usr/lib/bfd-plugins/liblto_plugin.so
mv dest/usr/lib/*gdb.py dest/usr/share/gdb/auto-load/usr/lib/
# The book deletes them all in the end: libtool's notes name places where nothing is.
find dest -name '*.la' -delete
cp -a --remove-destination dest/. /
