cd "$(mktemp -d)"
# The book's sanity checks (8.29), each with its name.
expect() {
    if ! grep -E "$2" "$3"; then
        echo "sanity check failed: $1: nothing matches $2" >&2
        exit 1
    fi
    echo "ok: $1"
}
echo 'int main(void) { return 0; }' > dummy.c
cc dummy.c -v -Wl,--verbose -o dummy > dummy.log 2>&1
readelf -l dummy > program-headers
expect "interpreter path" 'program interpreter: /lib64/ld-linux-x86-64\.so\.2' program-headers
for object in Scrt1 crti crtn; do
    expect "start file $object.o" "/usr/lib/.*$object\.o succeeded" dummy.log
done
triplet="$(gcc -dumpmachine)"
expect "header search path, compiler" "^ /usr/lib/gcc/$triplet/14\.2\.0/include\$" dummy.log
expect "header search path, system" '^ /usr/include$' dummy.log
expect "linker search path" 'SEARCH_DIR\("=?/usr/lib"\)' dummy.log
expect "libc found" 'attempt to open /(usr/)?lib/libc\.so\.6 succeeded' dummy.log
expect "loader found" '^found ld-linux-x86-64\.so\.2 at /(usr/)?lib/' dummy.log
./dummy
cat > hello.cc <<'CC'
#include <iostream>
#include <vector>
int main() { std::vector<int> v{20, 22}; std::cout << v.at(0) + v.at(1) << std::endl; }
CC
c++ -flto hello.cc -o hello
test "$(./hello)" = 42
ldd hello | grep -E 'libstdc\+\+\.so\.6 => /(usr/)?lib/'
if grep -F /lfs dummy.log; then exit 1; fi
