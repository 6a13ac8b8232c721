# The summary names every test, the log only what fails.
make -C build check || failed=$?
cat build/tests.sum > "$TEST_RESULTS"
test -z "$failed"
