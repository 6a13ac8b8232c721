# Without the tests that want the root of a machine.
make check
