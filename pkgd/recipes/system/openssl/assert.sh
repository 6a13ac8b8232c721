openssl version | grep -F '3.5.7'
test "$(printf abc | openssl dgst -sha256 -r | cut -c1-16)" = ba7816bf8f01cfea
