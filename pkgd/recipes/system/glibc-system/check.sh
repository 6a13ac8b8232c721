make -C build check
