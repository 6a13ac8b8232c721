test "$(TZ=Europe/Berlin date -d @1751328000 '+%H:%M %Z')" = '02:00 CEST'
test "$(TZ=right/UTC date -d @1751328000 '+%S')" = 33
grep -F Europe/Vienna /usr/share/zoneinfo/zone1970.tab
