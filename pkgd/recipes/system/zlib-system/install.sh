make DESTDIR="$PWD/dest" install
# The book: nothing but its own tests wants the static one.
rm dest/usr/lib/libz.a
cp -a --remove-destination dest/. /
