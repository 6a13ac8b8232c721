pstree --version 2>&1 | grep -F 23.7
fuser --version 2>&1 | grep -F 23.7
