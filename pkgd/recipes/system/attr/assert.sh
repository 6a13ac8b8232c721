ldd /usr/bin/getfattr | grep -F 'libattr.so.1 => /usr/lib/'
getfattr --version | grep -F 2.5.2
