cd "$(mktemp -d)"
printf 'store k v\nfetch k\n' | gdbmtool t.db | grep -Fx v
