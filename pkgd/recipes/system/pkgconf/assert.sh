cd "$(mktemp -d)"
printf 'Name: a\nDescription: a\nVersion: 1.2\nLibs: -la\n' > a.pc
export PKG_CONFIG_PATH=.
test "$(pkg-config --modversion a)" = 1.2
test "$(pkg-config --libs a | tr -d ' ')" = -la
