test "$(echo round | gzip -9n | gzip -d)" = round
