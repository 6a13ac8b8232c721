# LDCONFIG: the loader's cache is a matter of the system that installs the package, not of the package.
make LDCONFIG=true install
