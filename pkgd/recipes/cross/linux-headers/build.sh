# No `make mrproper` as in the book: the tree is fresh, and Debian's tarball lacks
# drivers/video/fbdev/{nvidia,riva} and a media driver which the Makefiles still name, so it would stop.
make headers
find usr/include -type f ! -name '*.h' -delete
