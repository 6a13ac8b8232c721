./configure --prefix=/usr --disable-static --docdir=/usr/share/doc/pkgconf-1.8.1
