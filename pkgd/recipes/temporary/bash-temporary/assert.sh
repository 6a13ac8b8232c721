# What was installed, by the loader and library that were built here, since /lib64 belongs to the seed.
loader="$LFS/usr/lib/ld-linux-x86-64.so.2"
run() { "$loader" --library-path "$LFS/usr/lib" "$LFS/usr/bin/$1" "${@:2}"; }
test "$(readlink "$LFS/usr/bin/sh")" = bash
test "$(run bash -c 'set -o pipefail; words=(one two); echo "${words[@]^^} $BASH_VERSION"')" = "ONE TWO 5.2.37(1)-release"
# Line editing needs the terminal library; without it bash would have brought a termcap of its own.
"$LFS_TGT-readelf" -d "$LFS/usr/bin/bash" | grep -F 'libncursesw.so.6'
# The C library's getcwd(), not one of bash's own.
"$LFS_TGT-nm" --dynamic --undefined-only "$LFS/usr/bin/bash" | grep -w getcwd
