# As the book does, by somebody who is not root, and on a terminal: without one vim warns and waits, and tests of it
# fail that measure how long it took. A terminal's control sequences are no lines of a log.
chown -R nobody:nogroup .
# Tests ask it whether they are root.
export USER=nobody
export TERM=xterm-256color LANG=C.UTF-8
unset LC_ALL
perl -e '$( = 65534; $) = "65534 65534"; $< = $> = 65534; exec @ARGV; die "$!"' \
    expect -c 'set timeout -1; set stty_init {rows 24 columns 80}; spawn make -j1 test; expect eof
        lassign [wait] _ _ _ value; exit $value' > ../check.log 2>&1 || failed=$?
tail -n 60 src/testdir/test.log || tail -n 60 ../check.log | tr -cd '\n\t -~'
sed -En 's/^Executed (Test_[A-Za-z0-9_]+)\(\).*/PASS: \1/p' src/testdir/messages | sort -u > "$TEST_RESULTS"
sed -En 's/^.*Found errors in (Test_[A-Za-z0-9_]+)\(\).*/FAIL: \1/p' src/testdir/test.log | sort -u >> "$TEST_RESULTS"
test -z "$failed"
