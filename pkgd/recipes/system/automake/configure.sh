./configure --prefix=/usr --docdir=/usr/share/doc/automake-1.17
