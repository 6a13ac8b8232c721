# The build makes libelf alone; the suite wants all of it, and with debug information, at which many tests look in the
# programs themselves.
make clean
make CFLAGS="-O2 -g" CXXFLAGS="-O2 -g"
make CFLAGS="-O2 -g" CXXFLAGS="-O2 -g" check
