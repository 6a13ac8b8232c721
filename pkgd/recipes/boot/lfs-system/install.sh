# A package has to have a path; this one says why it has no more.
mkdir -p /usr/share/doc/lfs-system
echo "This package needs all packages of Linux From Scratch 12.3: 'pkgctl depends lfs-system' lists them." \
    > /usr/share/doc/lfs-system/README
