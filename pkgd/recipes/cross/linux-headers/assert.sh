# Headers for user programs: present, without anything but headers, with the kernel's own parts cut out.
test -f "$LFS/usr/include/linux/landlock.h"
test -f "$LFS/usr/include/asm/unistd_64.h"
test -z "$(find "$LFS/usr/include" -type f ! -name '*.h')"
if grep -rl '__KERNEL__' "$LFS/usr/include/asm-generic/fcntl.h"; then exit 1; fi
