# GNU bc has no suite of its own but this, which prints a line for each of its functions.
echo quit | ./bc/bc -l Test/checklib.b
