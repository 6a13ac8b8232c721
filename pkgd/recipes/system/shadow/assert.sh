test "$(stat -c %a /usr/bin/passwd)" = 4755
grep -E '^ENCRYPT_METHOD YESCRYPT' /etc/login.defs
ldd /usr/bin/passwd | grep -E 'libcrypt\.so\.2 => /(usr/)?lib/'
useradd --help | grep -F -- --create-home
