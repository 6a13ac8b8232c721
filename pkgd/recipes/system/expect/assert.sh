cd "$(mktemp -d)"
cat > talk.exp <<'X'
spawn bash --norc -c {read -p "name? " name; echo "hello $name"}
expect "name? "
send "world\r"
expect "hello world"
puts "understood"
X
expect talk.exp | grep -F understood
