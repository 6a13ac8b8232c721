make -C build MAKEINFO=true tooldir=/usr
