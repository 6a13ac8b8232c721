cd "$(mktemp -d)"
printf 'rule say\n command = echo done > $out\nbuild out: say\n' > build.ninja
ninja
test "$(cat out)" = done
