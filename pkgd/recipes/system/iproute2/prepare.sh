# The book: arpd wants Berkeley DB.
sed -i /ARPD/d Makefile
rm man/man8/arpd.8
