# The program that was installed, not the seed's, expands a macro.
/usr/bin/m4 --version | grep -Fx 'm4 (GNU M4) 1.4.19'
test "$(echo 'define(`twice'"'"', `$1 $1'"'"')twice(lfs)' | /usr/bin/m4)" = "lfs lfs"
