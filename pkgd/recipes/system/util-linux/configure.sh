# The book's switches and one more: owners and modes are what the install phase says.
./configure --bindir=/usr/bin                            \
            --libdir=/usr/lib                            \
            --runstatedir=/run                           \
            --sbindir=/usr/sbin                          \
            --disable-chfn-chsh                          \
            --disable-login                              \
            --disable-nologin                            \
            --disable-su                                 \
            --disable-setpriv                            \
            --disable-runuser                            \
            --disable-pylibmount                         \
            --disable-liblastlog2                        \
            --disable-static                             \
            --without-python                             \
            --disable-makeinstall-chown                  \
            --disable-makeinstall-setuid                 \
            ADJTIME_PATH=/var/lib/hwclock/adjtime        \
            --docdir=/usr/share/doc/util-linux-2.41.5
