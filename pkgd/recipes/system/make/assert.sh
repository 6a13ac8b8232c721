cd "$(mktemp -d)"
printf 'all: ; @echo $(words a b c)\n' > Makefile
test "$(MAKEFLAGS= make -s)" = 3
