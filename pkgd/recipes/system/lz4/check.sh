make -j1 check
