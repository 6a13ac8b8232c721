# The build makes libelf alone; the suite wants all of it.
make
make check
