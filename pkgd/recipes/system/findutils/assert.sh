cd "$(mktemp -d)"
mkdir -p a/b
: > a/b/c
test "$(find . -type f -print0 | xargs -0 -n 1 basename)" = c
