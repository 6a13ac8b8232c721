# One job: with more, whether python-config.py is there when all is compiled depends on who comes first.
make -j1 install
