./configure --prefix=/usr --disable-static --without-docbook --docdir=/usr/share/doc/expat-2.8.3
