# The book's switch: three programs are wanted, no libraries.
./configure --disable-shared
