cd "$(mktemp -d)"
printf 'AC_INIT([a], [1])\nAC_OUTPUT\n' > configure.ac
autoconf
./configure
