# lint: allow placeholder
cd "$(mktemp -d)"
echo '<a><b/></a>' > good.xml
echo '<a><b></a>' > bad.xml
test -z "$(xmlwf good.xml)"
if xmlwf bad.xml > out; then exit 1; fi
grep -F 'mismatched tag' out
