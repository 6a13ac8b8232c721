cd "$(mktemp -d)"
printf "project('a', 'c')\nexecutable('a', 'a.c')\n" > meson.build
echo 'int main(void) { return 0; }' > a.c
meson setup build
ninja -C build
build/a
