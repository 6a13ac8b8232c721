make DESTDIR="$PWD/dest" install
for page in gawk gawkbug pm-gawk; do
    install -D -m644 "doc/$page.1" "dest/usr/share/man/man1/$page.1"
done
ln -s gawk.1 dest/usr/share/man/man1/awk.1
# The book deletes them all in the end: libtool's notes name places where nothing is.
find dest -name '*.la' -delete
cp -a --remove-destination dest/. /
