zones="$PWD/dest/usr/share/zoneinfo"
mkdir -p "$zones/posix" "$zones/right"
for region in etcetera southamerica northamerica europe africa antarctica asia australasia backward; do
    zic -L /dev/null -d "$zones" "$region"
    zic -L /dev/null -d "$zones/posix" "$region"
    zic -L leapseconds -d "$zones/right" "$region"
done
install -m 644 zone.tab zone1970.tab iso3166.tab "$zones/"
# The book: what a POSIX rule without dates means.
zic -d "$zones" -p America/New_York
cp -a --remove-destination dest/. /
