pip3 install --no-index --no-deps --no-cache-dir --root "$PWD/dest" --find-links dist Jinja2
cp -a --remove-destination dest/. /
