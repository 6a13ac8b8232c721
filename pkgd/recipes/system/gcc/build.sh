make -C build
