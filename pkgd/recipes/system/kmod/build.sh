# ninja takes no jobs from make's server; it is told as many as make would be.
jobs=${MAKEFLAGS#-j}
ninja -C build -j "${jobs%% *}"
