make -C build tooldir=/usr
