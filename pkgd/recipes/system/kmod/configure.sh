# The book's switches; the manual wants scdoc.
meson setup build --prefix=/usr --sbindir=/usr/sbin --buildtype=release -D manpages=false
