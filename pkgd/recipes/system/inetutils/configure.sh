# The book's switches and one more: its syslogd takes the place of sysklogd, which no Debian source carries.
# Setting modes is left to the install phase.
./configure --prefix=/usr          \
            --bindir=/usr/bin      \
            --libexecdir=/usr/sbin \
            --sysconfdir=/etc      \
            --localstatedir=/var   \
            --disable-logger       \
            --disable-whois        \
            --disable-rcp          \
            --disable-rexec        \
            --disable-rlogin       \
            --disable-rsh          \
            --disable-servers      \
            --enable-syslogd
