findmnt --version | grep -F 2.41.5
test "$(printf 'a b\n' | rev)" = 'b a'
test "$(uuidgen --sha1 --namespace @dns --name example.org)" = aad03681-8b63-5304-89e0-8ca8f49461b5
