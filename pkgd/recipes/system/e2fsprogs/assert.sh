cd "$(mktemp -d)"
truncate -s 8M disk
mke2fs -q -t ext4 disk
e2fsck -fn disk
