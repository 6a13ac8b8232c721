# Only what is installed: the book takes libelf alone out of the package.
make -C lib
make -C libelf
