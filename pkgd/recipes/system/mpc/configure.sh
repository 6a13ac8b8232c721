./configure --prefix=/usr --disable-static --docdir=/usr/share/doc/mpc-1.3.1
