# The links and the loader's directory of LFS 4.2: the step `skeleton` made them for the tools, this package
# brings them into a system. They are there already: each is replaced in one go, since all programs need /lib.
for dir in bin lib sbin; do
    ln -sfnT "usr/$dir" "/$dir"
done
install -d -m 755 /lib64 /usr/bin /usr/lib /usr/sbin

# LFS 7.5. What the kernel or the boot fills (/dev, /proc, /run, /sys, /tmp) stands in [package]: it is
# mounted over while this runs.
install -d -m 755 /boot /etc/opt /etc/sysconfig /home /media/cdrom /media/floppy /mnt /opt /srv /usr/lib/firmware
for top in /usr /usr/local; do
    install -d -m 755 "$top"/include "$top"/src "$top"/share/{color,dict,doc,info,locale,misc,terminfo,zoneinfo}
    install -d -m 755 "$top"/share/man/man{1..8}
done
install -d -m 755 /usr/lib/locale /usr/local/{bin,lib,sbin}
install -d -m 755 /var/{cache,local,log,mail,opt,spool} /var/lib/{color,locate,misc}
install -d -m 750 /root
install -d -m 1777 /var/tmp
ln -s /run /var/run
ln -s /run/lock /var/lock

# LFS 7.6.
ln -s /proc/self/mounts /etc/mtab
cat > /etc/passwd <<'PASSWD'
root:x:0:0:root:/root:/bin/bash
bin:x:1:1:bin:/dev/null:/usr/bin/false
daemon:x:6:6:Daemon User:/dev/null:/usr/bin/false
messagebus:x:18:18:D-Bus Message Daemon User:/run/dbus:/usr/bin/false
uuidd:x:80:80:UUID Generation Daemon User:/dev/null:/usr/bin/false
nobody:x:65534:65534:Unprivileged User:/dev/null:/usr/bin/false
PASSWD
cat > /etc/group <<'GROUP'
root:x:0:
bin:x:1:daemon
sys:x:2:
kmem:x:3:
tape:x:4:
tty:x:5:
daemon:x:6:
floppy:x:7:
disk:x:8:
lp:x:9:
dialout:x:10:
audio:x:11:
video:x:12:
utmp:x:13:
cdrom:x:15:
adm:x:16:
messagebus:x:18:
input:x:24:
mail:x:34:
kvm:x:61:
uuidd:x:80:
wheel:x:97:
users:x:999:
nogroup:x:65534:
GROUP
touch /var/log/btmp /var/log/faillog /var/log/lastlog /var/log/wtmp
chgrp 13 /var/log/lastlog
chmod 664 /var/log/lastlog
chmod 600 /var/log/btmp
