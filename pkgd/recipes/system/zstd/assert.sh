cd "$(mktemp -d)"
seq 10000 > numbers
zstd -q numbers
zstdcat numbers.zst | cmp - numbers
test -f /usr/lib/libzstd.so.1
zstd -vV | grep -E 'supports: .*gzip.*lz4.*xz'
