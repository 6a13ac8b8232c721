make -C build install
# Four fifths of the bytes are debug information of tools that are thrown away after chapter 7.
find "$LFS/tools/bin" "$LFS/tools/$LFS_TGT/bin" -type f -exec strip --strip-debug {} +
