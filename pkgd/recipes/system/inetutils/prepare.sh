# The book: builds with GCC 14.
sed -i 's/def HAVE_TERMCAP_TGETENT/ 1/' telnet/telnet.c
