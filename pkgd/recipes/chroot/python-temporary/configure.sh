# The book's switches.
./configure --prefix=/usr --enable-shared --without-ensurepip --without-static-libpython
