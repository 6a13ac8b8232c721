# The book: relative links, manuals where they belong. Without its documentation patch.
sed -i 's@\(ln -s -f \)$(PREFIX)/bin/@\1@' Makefile
sed -i "s@(PREFIX)/man@(PREFIX)/share/man@g" Makefile
sed -i 's/-O2 -g/-O2/' Makefile Makefile-libbz2_so
