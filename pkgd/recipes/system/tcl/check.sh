# So told (body, pass, skip, error), tcltest says of each test what became of it; otherwise only of those that fail.
make -C unix test TESTFLAGS='-verbose bpse' > ../check.log 2>&1 || failed=$?
tail -n 100 ../check.log
sed -En -e 's/^\+\+\+\+ ([^ ]+) PASSED$/PASS: \1/p'  \
        -e 's/^\+\+\+\+ ([^ ]+) SKIPPED.*/SKIP: \1/p' \
        -e 's/^==== ([^ ]+) .*FAILED$/FAIL: \1/p' ../check.log > "$TEST_RESULTS"
test -z "$failed"
