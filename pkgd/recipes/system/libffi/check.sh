# The summary names every test, the log only what fails.
make check || failed=$?
find . -name '*.sum' | sort | xargs cat > "$TEST_RESULTS"
test -z "$failed"
