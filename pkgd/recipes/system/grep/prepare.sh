# The book: the warnings of egrep and fgrep make tests of other packages fail.
sed -i 's/echo/#echo/' src/egrep.sh
