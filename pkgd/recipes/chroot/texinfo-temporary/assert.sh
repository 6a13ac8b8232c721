cd "$(mktemp -d)"
printf '@setfilename a.info\n@settitle A\n@node Top\n@top Heading\nSome text.\n@bye\n' > a.texi
makeinfo a.texi
grep -F 'Some text.' a.info
