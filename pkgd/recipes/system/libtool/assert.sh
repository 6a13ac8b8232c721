libtool --version | grep -F 2.5.4
libtool --config | grep -E '^(LTCC|CC)=.?gcc'
