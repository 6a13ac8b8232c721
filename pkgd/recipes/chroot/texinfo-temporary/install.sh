make install
rm -f /usr/share/info/dir
