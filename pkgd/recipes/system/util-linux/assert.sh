lsblk --version | grep -F 2.41.5
test -u /usr/bin/mount
test "$(printf 'x 1\ny 22\n' | column -t | tail -n 1)" = 'y  22'
cd "$(mktemp -d)"
truncate -s 8M disk
echo 'label: gpt' | sfdisk disk
sfdisk -d disk | grep -F 'label: gpt'
test -x /usr/sbin/sulogin
