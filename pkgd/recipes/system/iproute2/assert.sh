ip -V | grep -F 6.1.0
ip -o link show lo | grep -F LOOPBACK
ss -V
