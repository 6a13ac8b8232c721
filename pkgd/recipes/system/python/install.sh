# One job: with more, whether python-config.py is there when all is compiled depends on who comes first.
make -j1 DESTDIR="$PWD/dest" install
install -D -m644 /dev/stdin dest/etc/pip.conf <<'CONF'
[global]
root-user-action = ignore
disable-pip-version-check = true
CONF
cp -a --remove-destination dest/. /
