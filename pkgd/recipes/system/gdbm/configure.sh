./configure --prefix=/usr --disable-static --enable-libgdbm-compat
