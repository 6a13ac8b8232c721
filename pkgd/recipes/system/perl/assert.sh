test "$(perl -e 'use threads; print threads->create(sub { 6 * 7 })->join')" = 42
perl -MCompress::Zlib -MCompress::Raw::Bzip2 -MGDBM_File -MPOSIX -MSocket -e 1
perl -V:useshrplib | grep -F true
