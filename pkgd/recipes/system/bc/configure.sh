./configure --prefix=/usr --with-readline --mandir=/usr/share/man --infodir=/usr/share/info
