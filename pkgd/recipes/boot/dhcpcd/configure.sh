# Without plug-ins for udev, and without the hooks of what the machine that builds may have.
./configure --prefix=/usr                    \
            --sysconfdir=/etc                \
            --libexecdir=/usr/lib/dhcpcd     \
            --dbdir=/var/lib/dhcpcd          \
            --runstatedir=/run               \
            --privsepuser=dhcpcd             \
            --without-dev                    \
            --without-openssl                \
            --with-hooks=
