# It makes a C string of its library with ed, which this system does not have: the same with sed.
cat > bc/fix-libmath_h <<'FIX'
#!/bin/bash
sed -i -e 's/^/"/' -e 's/$/",/' -e '1s/^/{/' -e '$d' libmath.h
sed -i -e '$s/$/0}/' libmath.h
FIX
# The manual is newer than nothing: it need not be made again.
touch doc/*.info
