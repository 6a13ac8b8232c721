# The suite says the name of each test on a line of its own, and leaves _NAME behind if it failed.
set -o pipefail
status=0
make check 2>&1 | tee check.log || status=$?
grep -x '[a-z][A-Za-z0-9_-]*' check.log | sort -u | while read -r name; do
    if [ -e "test/_$name" ]; then echo "FAIL: $name"; else echo "PASS: $name"; fi
done
exit "$status"
