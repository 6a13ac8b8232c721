cd "$(mktemp -d)"
printf '.TH A 1\n.SH NAME\na \\- b\n' > a.1
MANPAGER=cat man -l ./a.1 | grep NAME
