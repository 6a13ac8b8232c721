make -C build check 2>&1 | tee ../check.log || failed=$?
sed -En -e 's/^([a-z]+_[a-z0-9_]+): .*: ok$/PASS: \1/p'       \
        -e 's/^([a-z]+_[a-z0-9_]+): .*: failed$/FAIL: \1/p'   \
        -e 's/^([a-z]+_[a-z0-9_]+): .*: skipped.*/SKIP: \1/p' ../check.log > "$TEST_RESULTS"
test -z "$failed"
