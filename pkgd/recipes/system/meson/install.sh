pip3 install --no-index --no-deps --no-cache-dir --root "$PWD/dest" --find-links dist meson
install -D -m644 data/shell-completions/bash/meson dest/usr/share/bash-completion/completions/meson
install -D -m644 data/shell-completions/zsh/_meson dest/usr/share/zsh/site-functions/_meson
cp -a --remove-destination dest/. /
