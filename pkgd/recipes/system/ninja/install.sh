install -D -m755 ninja dest/usr/bin/ninja
install -D -m644 misc/bash-completion dest/usr/share/bash-completion/completions/ninja
install -D -m644 misc/zsh-completion dest/usr/share/zsh/site-functions/_ninja
cp -a --remove-destination dest/. /
