pip3 install --no-index --no-deps --no-cache-dir --root "$PWD/dest" --find-links dist wheel
cp -a --remove-destination dest/. /
