cd "$(mktemp -d)"
echo one > a
vim -es -u NONE -c 's/one/two/' -c wq a
test "$(cat a)" = two
vim --version | grep -F 'MinOS'
