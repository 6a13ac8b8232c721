cd "$(mktemp -d)"
printf '\\input texinfo\n@settitle A\n@node Top\n@top A\ntext\n@bye\n' > a.texi
makeinfo --plaintext a.texi | grep -Fx text
