make DESTDIR="$PWD/dest" install
# The book: only the test suite wants it.
rm dest/usr/lib/libltdl.a
cp -a --remove-destination dest/. /
