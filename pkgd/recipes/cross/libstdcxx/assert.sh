# The toolchain as a whole: a C and a C++ program, each static and dynamic, compiled and run.
# The dynamic ones run by the loader that was built here, since /lib64 belongs to the seed.
cd "$(mktemp -d)"
cat > hello.c <<'C'
#include <stdio.h>
int main(void) { return printf("hello from %s\n", "C") < 0; }
C
cat > hello.cc <<'CXX'
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>
int main() {
    std::vector<std::string> words{"from", "C++", "hello"};
    std::sort(words.rbegin(), words.rend());
    std::cout << words.at(0) << ' ' << words.at(1) << ' ' << words.at(2) << std::endl;
}
CXX
loader=$LFS/usr/lib/ld-linux-x86-64.so.2
"$LFS_TGT-gcc" hello.c -o hello-c
"$LFS_TGT-gcc" -static hello.c -o hello-c-static
"$LFS_TGT-g++" hello.cc -o hello-cxx
"$LFS_TGT-g++" -static hello.cc -o hello-cxx-static

test "$("$loader" --library-path "$LFS/usr/lib" ./hello-c)" = "hello from C"
test "$(./hello-c-static)" = "hello from C"
test "$("$loader" --library-path "$LFS/usr/lib" ./hello-cxx)" = "hello from C++"
test "$(./hello-cxx-static)" = "hello from C++"
"$LFS_TGT-readelf" -d hello-cxx | grep -F 'libstdc++.so.6'
echo "ok: C and C++, static and dynamic"
