PAGE=A4 ./configure --prefix=/usr
