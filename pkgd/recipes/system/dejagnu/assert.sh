runtest --version | grep -F 1.6.3
