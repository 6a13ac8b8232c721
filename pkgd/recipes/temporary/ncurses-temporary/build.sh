make -C native/include
make -C native/progs tic
make
