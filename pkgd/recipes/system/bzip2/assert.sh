cd "$(mktemp -d)"
seq 10000 > numbers
bzip2 -k numbers
bzcat numbers.bz2 | cmp - numbers
readelf -d /usr/bin/bzip2 | grep -F 'libbz2.so.1.0'
