test "$(echo lfs | sed -E 's/(l)(f)/\2\1/')" = fls
