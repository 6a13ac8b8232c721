# When Configure ran: it takes that from the clock whatever it is told, but for this file, which has the last word.
cat > config.over <<OVER
cf_time='$(date -u -d "@$SOURCE_DATE_EPOCH")'
OVER
# The book's switches, and facts of the building machine that Configure would otherwise write down.
sh Configure -des                                          \
             -D prefix=/usr                                \
             -D vendorprefix=/usr                          \
             -D privlib=/usr/lib/perl5/5.40/core_perl      \
             -D archlib=/usr/lib/perl5/5.40/core_perl      \
             -D sitelib=/usr/lib/perl5/5.40/site_perl      \
             -D sitearch=/usr/lib/perl5/5.40/site_perl     \
             -D vendorlib=/usr/lib/perl5/5.40/vendor_perl  \
             -D vendorarch=/usr/lib/perl5/5.40/vendor_perl \
             -D man1dir=/usr/share/man/man1                \
             -D man3dir=/usr/share/man/man3                \
             -D pager='/usr/bin/less -isR'                 \
             -D useshrplib                                 \
             -D usethreads                                 \
             -D optimize=-O2                               \
             -D cf_by=minos                                \
             -D cf_email=minos@localhost                   \
             -D perladmin=root@localhost                   \
             -D myhostname=minos                           \
             -D mydomain=.localdomain                      \
             -D myuname=linux                              \
             -D osvers=6.12
