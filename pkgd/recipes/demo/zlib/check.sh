# It says in words of its own what became of its three programs.
make check 2>&1 | tee ../check.log || failed=$?
sed -n -e 's/^[[:space:]]*\*\*\* \(.*\) OK \*\*\*$/PASS: \1/p' \
       -e 's/^[[:space:]]*\*\*\* \(.*\) FAILED \*\*\*$/FAIL: \1/p' ../check.log > "$TEST_RESULTS"
test -z "$failed"
