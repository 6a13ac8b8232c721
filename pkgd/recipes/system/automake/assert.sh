cd "$(mktemp -d)"
printf 'AC_INIT([a], [1])\nAM_INIT_AUTOMAKE([foreign])\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n' > configure.ac
echo 'dist_data_DATA = configure.ac' > Makefile.am
autoreconf -i
./configure
make DESTDIR="$PWD/dest" install
test -f dest/usr/local/share/configure.ac
