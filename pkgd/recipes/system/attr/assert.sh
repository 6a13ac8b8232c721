ldd /usr/bin/attr | grep -E 'libattr\.so\.1 => /(usr/)?lib/'
getfattr --version | grep -F 2.5.2
