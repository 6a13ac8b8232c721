./configure --prefix=/usr --disable-static
