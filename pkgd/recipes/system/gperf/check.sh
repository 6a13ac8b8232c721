# Its tests write to the same files.
make -j1 check
