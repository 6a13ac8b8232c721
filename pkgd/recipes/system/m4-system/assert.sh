test "$(echo 'define(`twice'"'"', `$1$1'"'"')twice(ab)' | m4)" = abab
m4 --version | grep -F 1.4.19
