test "$(perl -e 'print join "-", map { sprintf "%03d", $_ } sort { $a <=> $b } (10, 9)')" = 009-010
perl -MPOSIX -MFile::Temp -MData::Dumper -e 'print floor(2.5), "\n"' | grep -x 2
perl -V:myuname | grep -F "'linux'"
