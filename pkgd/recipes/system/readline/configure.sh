# The book's switches.
./configure --prefix=/usr --disable-static --with-curses --docdir=/usr/share/doc/readline-8.2
