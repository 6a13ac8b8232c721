test "$(echo round | gzip -9n | gzip -d)" = round
test -x /usr/bin/zless
