FORCE_UNSAFE_CONFIGURE=1 ./configure --prefix=/usr
