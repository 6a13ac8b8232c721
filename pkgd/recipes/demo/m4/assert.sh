# The program that was installed, not the seed's, expands a macro.
test "$(/usr/bin/m4 --version | head -n 1)" = "m4 (GNU M4) 1.4.19"
test "$(echo 'define(`twice'"'"', `$1 $1'"'"')twice(lfs)' | /usr/bin/m4)" = "lfs lfs"
