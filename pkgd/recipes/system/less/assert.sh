less --version | grep -F 'less 668'
test "$(echo text | less)" = text
