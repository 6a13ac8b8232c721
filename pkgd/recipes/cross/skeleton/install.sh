# LFS 4.2. This is the lowest layer of every later root: a step whose output holds a real
# directory `lib` or `bin` would hide these links, so they have to be there first.
mkdir -p "$LFS"/etc "$LFS"/var "$LFS"/usr/bin "$LFS"/usr/lib "$LFS"/usr/sbin
for dir in bin lib sbin; do
    ln -s "usr/$dir" "$LFS/$dir"
done
mkdir -p "$LFS/lib64" "$LFS/tools"
