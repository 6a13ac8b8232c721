test -s /usr/share/doc/lfs-system/README
