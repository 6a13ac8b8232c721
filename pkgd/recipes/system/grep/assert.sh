test "$(printf 'one\ntwo\n' | grep -E '^t(wo|en)$')" = two
test "$(printf 'one\ntwo\n' | egrep '^t(wo|en)$' 2>&1)" = two
