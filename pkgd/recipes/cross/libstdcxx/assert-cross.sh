# The toolchain as a whole: a C and a C++ program, each static and dynamic, compiled for the other machine. Here they
# are looked at; what this machine cannot run is run by whoever has an emulator.
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
"$LFS_TGT-gcc" hello.c -o hello-c
"$LFS_TGT-gcc" -static hello.c -o hello-c-static
"$LFS_TGT-g++" hello.cc -o hello-cxx
"$LFS_TGT-g++" -static hello.cc -o hello-cxx-static

for program in hello-c hello-c-static hello-cxx hello-cxx-static; do
    "$LFS_TGT-readelf" -h "$program" | grep -F "$ELF_MACHINE"
done
for program in hello-c hello-cxx; do
    "$LFS_TGT-readelf" -l "$program" | grep -F "program interpreter: /lib/ld-linux-"
done
for program in hello-c-static hello-cxx-static; do
    "$LFS_TGT-readelf" -lW "$program" > headers
    if grep -E 'INTERP|DYNAMIC' headers; then exit 1; fi
done
"$LFS_TGT-readelf" -d hello-cxx | grep -F 'libstdc++.so.6'
test -f "$LFS/usr/lib/libstdc++.so.6"
echo "ok: C and C++, static and dynamic"
