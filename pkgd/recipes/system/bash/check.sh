# As the book does, by somebody who is not root, on a terminal. The suite says "run-NAME", and what differs from
# what should have come out behind it.
chown -R nobody:nogroup .
export LC_ALL=C.UTF-8
perl -e '$( = 65534; $) = "65534 65534"; $< = $> = 65534; exec @ARGV; die "$!"' \
    expect -c 'set timeout -1; spawn make tests; expect eof; lassign [wait] _ _ _ value; exit $value' \
    > ../terminal.log 2>&1 || failed=$?
tr -d '\r' < ../terminal.log > ../check.log
cat ../check.log
awk '
    function tell() { if (name != "") print (bad ? "FAIL: " : "PASS: ") name }
    /^run-/ { tell(); name = substr($1, 5); bad = 0 }
    /^[0-9]+(,[0-9]+)?[acd][0-9]+(,[0-9]+)?$/ { bad = 1 }
    END { tell() }' ../check.log > "$TEST_RESULTS"
test -z "$failed"
