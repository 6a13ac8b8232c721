# lint: allow placeholder
cd "$(mktemp -d)"
echo '<a><b/></a>' > good.xml
echo '<a><b></a>' > bad.xml
test -z "$(xmlwf good.xml)"
xmlwf bad.xml | grep -F 'mismatched tag'
