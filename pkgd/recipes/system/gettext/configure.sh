./configure --prefix=/usr --disable-static --docdir=/usr/share/doc/gettext-0.23.1
