./configure --prefix=/usr --disable-static --docdir=/usr/share/doc/acl-2.3.2
