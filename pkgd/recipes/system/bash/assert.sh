test "$(bash -c 'a=(1 2 3); echo ${#a[@]} $BASH_VERSION')" = '3 5.2.37(1)-release'
test "$(readlink /usr/bin/sh)" = bash
ldd /usr/bin/bash | grep -F libreadline.so.8
