# The book's switches. Where passwd stands is asked of the root that builds, which has none yet.
./configure --sysconfdir=/etc --disable-static --with-bcrypt --with-yescrypt --without-libbsd \
            --with-group-name-max-length=32 shadow_cv_passwd_dir=/usr/bin
