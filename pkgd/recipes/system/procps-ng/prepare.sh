# Debian's place of the wide ncurses; the book's is one folder higher.
sed -i 's#<ncursesw/ncurses\.h>#<ncurses.h>#' src/watch.c
