root="$PWD/dest"
services="$root/usr/lib/minos/services"
mkdir -p "$services" "$root/etc"

# What LFS's boot scripts do and neither init nor pkgd does.
cat > "$root/usr/lib/minos/setup" <<'SETUP'
#!/bin/sh
set -e
mkdir -p /run/lock /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=1777 shm /dev/shm
: > /run/utmp
chgrp utmp /run/utmp
chmod 664 /run/utmp
/usr/sbin/sysctl --quiet --system
SETUP

# udevd hears only what happens after its start: the kernel is asked to tell it all again.
cat > "$root/usr/lib/minos/udev-settle" <<'SETTLE'
#!/bin/sh
until udevadm control --ping --timeout=5 2>/dev/null; do
    sleep 0.2
done
udevadm trigger --type=subsystems --action=add
udevadm trigger --type=devices --action=add
exec udevadm settle --timeout=100
SETTLE

# Called by agetty with the name. An account without a password can come in here and nowhere else: who sits at the
# console of a machine owns it.
cat > "$root/usr/lib/minos/login" <<'LOGIN'
#!/bin/sh
for name; do :; done
if [ "$name" = root ] && grep -q '^root::' /etc/shadow; then
    echo "root has no password yet: 'passwd' sets one."
    exec /bin/login -f root
fi
exec /bin/login "$@"
LOGIN
chmod 755 "$root"/usr/lib/minos/{setup,udev-settle,login}

cat > "$services/setup.toml" <<'SERVICE'
kind = "oneshot"
exec = ["/usr/lib/minos/setup"]
restart = 2
SERVICE
cat > "$services/udev.toml" <<'SERVICE'
exec = ["/usr/sbin/udevd"]
after = ["setup"]
SERVICE
cat > "$services/udev-settle.toml" <<'SERVICE'
kind = "oneshot"
exec = ["/usr/lib/minos/udev-settle"]
after = ["udev"]
deadline_s = 120
restart = 1
SERVICE
cat > "$services/syslog.toml" <<'SERVICE'
exec = ["/usr/sbin/syslogd", "-n"]
after = ["setup"]
SERVICE
cat > "$services/login.toml" <<'SERVICE'
kind = "login"
exec = [
    "/usr/sbin/agetty", "--local-line", "--keep-baud", "--noclear",
    "--login-program", "/usr/lib/minos/login", "-", "115200,38400,9600", "vt220",
]
after = ["setup"]
restart = 0
SERVICE

# LFS 8.28 has pwconv and passwd do this on the running system. Root gets in without a password at first.
awk -F: '{ print $1 ":" ($1 == "root" ? "" : "*") ":::::::" }' /etc/passwd > "$root/etc/shadow"
chmod 600 "$root/etc/shadow"
printf '%s\n' 'MinOS \r, \l' '' > "$root/etc/issue"
cp -a --remove-destination dest/. /
