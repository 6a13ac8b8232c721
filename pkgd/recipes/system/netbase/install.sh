# Substitute: iana-etc cannot be had; this is Debian's own collection of the same numbers.
install -m 644 etc/services etc/protocols etc/ethertypes /etc/
