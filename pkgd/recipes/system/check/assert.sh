cd "$(mktemp -d)"
cat > t.check <<'T'
#test holds
ck_assert_int_eq(6 * 7, 42);
T
checkmk t.check > t.c
gcc t.c -o t $(pkg-config --cflags --libs check)
./t
