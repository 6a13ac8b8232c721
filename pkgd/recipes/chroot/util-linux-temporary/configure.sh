# The book's switches; the last two, because nothing in the chroot may be setuid or of somebody else.
./configure --libdir=/usr/lib                              \
            --runstatedir=/run                             \
            --disable-chfn-chsh                            \
            --disable-login                                \
            --disable-nologin                              \
            --disable-su                                   \
            --disable-setpriv                              \
            --disable-runuser                              \
            --disable-pylibmount                           \
            --disable-static                               \
            --disable-liblastlog2                          \
            --without-python                               \
            ADJTIME_PATH=/var/lib/hwclock/adjtime          \
            --docdir=/usr/share/doc/util-linux-2.41.5      \
            --disable-makeinstall-chown                    \
            --disable-makeinstall-setuid
