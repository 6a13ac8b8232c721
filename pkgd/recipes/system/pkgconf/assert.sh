cd "$(mktemp -d)"
printf 'Name: a\nDescription: a\nVersion: 1.2\nLibs: -la\n' > a.pc
test "$(PKG_CONFIG_PATH=. pkg-config --modversion --libs a | tr '\n' ' ')" = '1.2 -la '
