./configure --prefix=/usr --disable-debuginfod --enable-libdebuginfod=dummy
