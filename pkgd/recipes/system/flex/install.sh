make DESTDIR="$PWD/dest" install
# The book: some programs call it by its old name.
ln -s flex dest/usr/bin/lex
ln -s flex.1 dest/usr/share/man/man1/lex.1
# The book deletes them all in the end: libtool's notes name places where nothing is.
find dest -name '*.la' -delete
cp -a --remove-destination dest/. /
