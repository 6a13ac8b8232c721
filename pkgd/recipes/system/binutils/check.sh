# The summaries name every test, the log only the groups.
make -C build -k check || failed=$?
find build -name '*.sum' | sort | xargs cat > "$TEST_RESULTS"
test -z "$failed"
