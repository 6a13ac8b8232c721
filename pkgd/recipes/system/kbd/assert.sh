loadkeys --mktable us | grep -F plain_map
test -f /usr/share/keymaps/i386/qwertz/de.map.gz
