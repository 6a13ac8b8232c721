file -b /usr/bin/bash | grep -F 'ELF 64-bit LSB'
file -b --mime-type /usr/bin/ldd | grep -E 'text/x-shellscript'
