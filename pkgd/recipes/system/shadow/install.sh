make exec_prefix=/usr DESTDIR="$PWD/dest" install
make -C man DESTDIR="$PWD/dest" install-man
# The book: users without a group of their own are in `users`.
mkdir -p dest/etc/default
cat > dest/etc/default/useradd <<'CONF'
GROUP=999
HOME=/home
INACTIVE=-1
EXPIRE=
SHELL=/bin/bash
SKEL=/etc/skel
CREATE_MAIL_SPOOL=no
CONF
# The book deletes them all in the end: libtool's notes name places where nothing is.
find dest -name '*.la' -delete
cp -a --remove-destination dest/. /
