make install
rm -f /usr/share/info/dir
# The book, 7.13: libtool's notes mislead what is built later.
find /usr/lib -name '*.la' -delete
