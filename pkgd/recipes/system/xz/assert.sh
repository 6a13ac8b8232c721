cd "$(mktemp -d)"
seq 10000 > numbers
xz -k numbers
xzcat numbers.xz | cmp - numbers
ldd /usr/bin/xz | grep -E 'liblzma\.so\.5 => /(usr/)?lib/'
