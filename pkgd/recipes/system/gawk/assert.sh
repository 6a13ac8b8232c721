test "$(printf '1 2\n3 4\n' | awk '{ s += $2 } END { print s }')" = 6
test "$(gawk -M 'BEGIN { print 2 ^ 70 }')" = 1180591620717411303424
