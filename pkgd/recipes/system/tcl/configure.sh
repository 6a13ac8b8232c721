cd unix
./configure --prefix=/usr --mandir=/usr/share/man --disable-rpath
