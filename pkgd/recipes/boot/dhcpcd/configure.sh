# Without plug-ins for udev, and without the hooks of what the machine that builds may have. Its own filter of system
# calls does not know that getrandom() maps memory since glibc 2.41, and kills it; a user of its own and a chroot stay.
./configure --prefix=/usr                    \
            --sysconfdir=/etc                \
            --libexecdir=/usr/lib/dhcpcd     \
            --dbdir=/var/lib/dhcpcd          \
            --runstatedir=/run               \
            --privsepuser=dhcpcd             \
            --without-dev                    \
            --without-openssl                \
            --disable-seccomp                \
            --with-hooks=
