# Headers for user programs and nothing else; a compiler that sees only them accepts one.
test -z "$(find "$LFS/usr/include" -type f ! -name '*.h')"
test -f "$LFS/usr/include/asm/unistd_64.h"
echo '#include <linux/landlock.h>' |
    gcc -x c -fsyntax-only -nostdinc -isystem "$LFS/usr/include" -
