cd "$(mktemp -d)"
seq 10000 > numbers
lz4 -q numbers numbers.lz4
lz4 -dc numbers.lz4 | cmp - numbers
test -f /usr/lib/liblz4.so.1
