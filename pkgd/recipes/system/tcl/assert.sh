test "$(echo 'puts [expr {6 * 7}]' | tclsh)" = 42
if grep -F "$HOME" /usr/lib/tclConfig.sh; then exit 1; fi
