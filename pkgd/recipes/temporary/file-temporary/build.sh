make -C native
make FILE_COMPILE="$PWD/native/src/file"
