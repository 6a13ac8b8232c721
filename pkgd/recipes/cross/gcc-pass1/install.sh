make -C build install
# GCC's own limits.h was made while no C library was there to include; the book puts the whole one in.
include=$(dirname "$("$LFS_TGT-gcc" -print-libgcc-file-name)")/include
cat gcc/limitx.h gcc/glimits.h gcc/limity.h > "$include/limits.h"
# GCC does not heed AM_UPDATE_INFO_DIR; an index of manuals would belong to more than one package.
rm -f "$LFS/tools/share/info/dir"
# 1331 MB become 196: the debug information of a compiler that is thrown away after chapter 7.
# Only what this step installs: strip writes what it strips, and the binutils beside it are another package's.
find "$LFS/tools/libexec" "$LFS/tools/bin"/"$LFS_TGT"-{c++,cpp,g++,gcc*,gcov*,lto-dump} -type f -perm /111 -print0 |
    while IFS= read -r -d '' file; do
        # scripts among the programs have nothing to strip
        if head -c 4 "$file" | grep -q ELF; then strip --strip-debug "$file"; fi
    done
find "$LFS/tools/lib" -name '*.a' -exec "$LFS_TGT-strip" --strip-debug --enable-deterministic-archives {} +
