# The book: the libtool of this tree links against what the machine that builds has in /usr/lib.
sed -i '6031s/$add_dir//' ltmain.sh
