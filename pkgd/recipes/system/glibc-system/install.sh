make -C build DESTDIR="$PWD/dest" install
# The loader's names that the ABI and the LSB promise.
mkdir -p dest/lib64
ln -sf ../lib/ld-linux-x86-64.so.2 dest/lib64/ld-linux-x86-64.so.2
ln -sf ../lib/ld-linux-x86-64.so.2 dest/lib64/ld-lsb-x86-64.so.3
# The book: ldd must not look for the loader below /usr.
sed -i '/RTLDLIST=/s@/usr@@g' dest/usr/bin/ldd

# The locales of the book, which test suites ask for, compiled by what was just built.
mkdir -p dest/usr/lib/locale
while read -r input charmap name; do
    I18NPATH="$PWD/localedata" build/testrun.sh build/locale/localedef \
        --prefix="$PWD/dest" -i "$input" -f "$charmap" "$name"
done <<'LOCALES'
C UTF-8 C.UTF-8
cs_CZ UTF-8 cs_CZ.UTF-8
de_DE ISO-8859-1 de_DE
de_DE@euro ISO-8859-15 de_DE@euro
de_DE UTF-8 de_DE.UTF-8
el_GR ISO-8859-7 el_GR
en_GB ISO-8859-1 en_GB
en_GB UTF-8 en_GB.UTF-8
en_HK ISO-8859-1 en_HK
en_PH ISO-8859-1 en_PH
en_US ISO-8859-1 en_US
en_US UTF-8 en_US.UTF-8
es_ES ISO-8859-15 es_ES@euro
es_MX ISO-8859-1 es_MX
fa_IR UTF-8 fa_IR
fr_FR ISO-8859-1 fr_FR
fr_FR@euro ISO-8859-15 fr_FR@euro
fr_FR UTF-8 fr_FR.UTF-8
is_IS ISO-8859-1 is_IS
is_IS UTF-8 is_IS.UTF-8
it_IT ISO-8859-1 it_IT
it_IT ISO-8859-15 it_IT@euro
it_IT UTF-8 it_IT.UTF-8
ja_JP EUC-JP ja_JP
ja_JP UTF-8 ja_JP.UTF-8
nl_NL@euro ISO-8859-15 nl_NL@euro
ru_RU KOI8-R ru_RU.KOI8-R
ru_RU UTF-8 ru_RU.UTF-8
se_NO UTF-8 se_NO.UTF-8
ta_IN UTF-8 ta_IN.UTF-8
tr_TR UTF-8 tr_TR.UTF-8
zh_CN GB18030 zh_CN.GB18030
zh_HK BIG5-HKSCS zh_HK.BIG5-HKSCS
zh_TW UTF-8 zh_TW.UTF-8
LOCALES

cat > dest/etc/nsswitch.conf <<'CONF'
passwd: files
group: files
shadow: files
hosts: files dns
networks: files
protocols: files
services: files
ethers: files
rpc: files
CONF
mkdir -p dest/etc/ld.so.conf.d
cat > dest/etc/ld.so.conf <<'CONF'
/usr/local/lib
/opt/lib
include /etc/ld.so.conf.d/*.conf
CONF
cp -a --remove-destination dest/. /
