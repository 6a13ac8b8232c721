cd /boot
test "$(dd if=vmlinuz-6.12.107-minos bs=1 skip=514 count=4 status=none)" = HdrS
grep -Fx CONFIG_SECURITY_LANDLOCK=y config-6.12.107-minos
grep -w start_kernel System.map-6.12.107-minos
