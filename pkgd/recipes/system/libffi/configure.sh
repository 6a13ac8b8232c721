# The book says native; ours has to run on every machine of the baseline. Built in place: the folder that libffi
# would make for it gets no rule `all-configured` from the automake of the book.
./configure --prefix=/usr --disable-static --disable-builddir --with-gcc-arch=x86-64
