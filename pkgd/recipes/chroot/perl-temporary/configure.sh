# Configure notes down when and on which kernel it ran; this file has the last word.
cat > config.over <<OVER
cf_time='$(date -u -d "@$SOURCE_DATE_EPOCH")'
cf_by='root'
myuname='linux'
osvers='6'
OVER
# The book's switches.
sh Configure -des                                         \
             -D prefix=/usr                               \
             -D vendorprefix=/usr                         \
             -D useshrplib                                \
             -D privlib=/usr/lib/perl5/5.40/core_perl     \
             -D archlib=/usr/lib/perl5/5.40/core_perl     \
             -D sitelib=/usr/lib/perl5/5.40/site_perl     \
             -D sitearch=/usr/lib/perl5/5.40/site_perl    \
             -D vendorlib=/usr/lib/perl5/5.40/vendor_perl \
             -D vendorarch=/usr/lib/perl5/5.40/vendor_perl
