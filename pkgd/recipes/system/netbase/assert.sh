grep -E '^ssh[[:space:]]+22/tcp' /etc/services
grep -E '^udp[[:space:]]+17' /etc/protocols
