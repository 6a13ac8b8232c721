make DESTDIR="$PWD/dest" install
# The book deletes them all in the end: libtool's notes name places where nothing is.
find dest -name '*.la' -delete
cp -a --remove-destination dest/. /
