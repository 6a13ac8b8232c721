install -d -m 755 dest/etc/profile.d dest/usr/lib dest/usr/sbin
cd dest/etc

# LFS 9.5.
echo minos > hostname
cat > hosts <<'HOSTS'
127.0.0.1 localhost.localdomain localhost
127.0.1.1 minos.localdomain minos
::1       localhost ip6-localhost ip6-loopback
ff02::1   ip6-allnodes
ff02::2   ip6-allrouters
HOSTS

# LFS 8.81. For syslogd of inetutils.
cat > syslog.conf <<'SYSLOG'
auth,authpriv.*             /var/log/auth.log
*.*;auth,authpriv.none      /var/log/sys.log
daemon.*                    /var/log/daemon.log
kern.*                      /var/log/kern.log
mail.*                      /var/log/mail.log
user.*                      /var/log/user.log
*.emerg                     *
SYSLOG

# LFS 9.7. C.UTF-8 is part of the C library: it needs no file. The console of the kernel has no fonts for more.
cat > profile <<'PROFILE'
# For login shells; an answer of 'locale' that is not valid would make every program complain.
if [ "$TERM" = linux ]; then
    export LANG=C.UTF-8
else
    export LANG="${LANG:-C.UTF-8}"
fi
export PATH=/usr/bin:/usr/sbin
export INPUTRC="${INPUTRC:-/etc/inputrc}"
for script in /etc/profile.d/*.sh; do
    if [ -r "$script" ]; then
        . "$script"
    fi
done
unset script
PROFILE

# LFS 9.8.
cat > inputrc <<'INPUTRC'
# One long line scrolls in place; eight bits come in and go out as they are.
set horizontal-scroll-mode Off
set meta-flag On
set input-meta On
set convert-meta Off
set output-meta On
set bell-style none

# Home, End, Delete and the arrows with Control: the console, xterm, others.
"\e[1~": beginning-of-line
"\e[4~": end-of-line
"\e[5~": beginning-of-history
"\e[6~": end-of-history
"\e[3~": delete-char
"\e[2~": quoted-insert
"\eOH": beginning-of-line
"\eOF": end-of-line
"\e[H": beginning-of-line
"\e[F": end-of-line
"\e[1;5C": forward-word
"\e[1;5D": backward-word
INPUTRC

# LFS 9.9.
printf '%s\n' /bin/sh /bin/bash > shells

# LFS 11.1.
echo 12.3 > lfs-release
cat > os-release <<'RELEASE'
NAME="MinOS"
ID=minos
ID_LIKE=lfs
PRETTY_NAME="MinOS (Linux From Scratch 12.3)"
VERSION="12.3"
VERSION_ID=12.3
RELEASE
cat > lsb-release <<'RELEASE'
DISTRIB_ID="MinOS"
DISTRIB_RELEASE="12.3"
DISTRIB_CODENAME="minos"
DISTRIB_DESCRIPTION="Linux From Scratch"
RELEASE

# Process 1 is MinOS's own: it is asked by signals, and does not know the pipe of System V init.
cd ../usr/sbin
for word in poweroff:USR2 halt:USR1 reboot:TERM; do
    printf '#!/bin/sh\nkill -s %s 1\n' "${word#*:}" > "${word%:*}"
done
cat > shutdown <<'SHUTDOWN'
#!/bin/sh
# shutdown [-h|-P|-H|-r] now: off, off, halt, reboot. There is nobody who would wait for another time.
act=poweroff
while getopts hHPr option; do
    case $option in
        h | P) act=poweroff ;;
        H) act=halt ;;
        r) act=reboot ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
if [ "${1:-}" != now ]; then
    echo "shutdown: only 'now' is known: shutdown [-h|-P|-H|-r] now" >&2
    exit 2
fi
exec "/usr/sbin/$act"
SHUTDOWN
chmod 755 halt poweroff reboot shutdown
cd ../../..
cp -a --remove-destination dest/. /
