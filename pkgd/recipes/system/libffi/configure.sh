# The book says native; ours has to run on every machine of the baseline.
./configure --prefix=/usr --disable-static --with-gcc-arch=x86-64
