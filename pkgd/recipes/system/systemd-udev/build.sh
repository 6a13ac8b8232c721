# ninja takes no jobs from make's server; it is told as many as make would be.
jobs=${MAKEFLAGS#-j}
cd build
helpers=$(grep "'name' :" ../src/udev/meson.build | awk '{ print $3 }' | tr -d ",'" | grep -v udevadm)
parts=$(ninja -n | grep -Eo '(src/(lib)?udev|rules.d|hwdb.d)/[^ ]*')
ninja -j "${jobs%% *}" udevadm systemd-hwdb $parts $(realpath libudev.so --relative-to .) $helpers
