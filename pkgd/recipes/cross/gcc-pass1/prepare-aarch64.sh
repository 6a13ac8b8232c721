
# As the book does for x86-64: 64-bit libraries live in lib.
sed -i '/mabi.lp64=/s/lib64/lib/' gcc/config/aarch64/t-aarch64-linux
grep -F 'mabi.lp64=../lib$' gcc/config/aarch64/t-aarch64-linux
