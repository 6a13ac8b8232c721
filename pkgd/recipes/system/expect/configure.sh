# Written before C99: its configure and a few files call what they have not declared, an error since GCC 14.
export CFLAGS="$CFLAGS -fpermissive -Wno-implicit-int"
./configure --prefix=/usr --with-tcl=/usr/lib --enable-shared --disable-rpath \
            --mandir=/usr/share/man --with-tclinclude=/usr/include
