make DESTDIR="$PWD/dest" install
ln -s vim dest/usr/bin/vi
for page in dest/usr/share/man/{,*/}man1/vim.1; do
    ln -s vim.1 "$(dirname "$page")/vi.1"
done
# Tools for interpreters that are not here under this name, or at all.
sed -i '1s,python$,python3,' dest/usr/share/vim/vim91/tools/demoserver.py
rm dest/usr/share/vim/vim91/tools/vim132
mkdir -p dest/usr/share/doc
ln -s ../vim/vim91/doc dest/usr/share/doc/vim-9.1.1230
install -D -m644 /dev/stdin dest/etc/vimrc <<'RC'
source $VIMRUNTIME/defaults.vim
let skip_defaults_vim=1
set nocompatible
set backspace=2
set mouse=
syntax on
if (&term == "xterm") || (&term == "putty")
  set background=dark
endif
RC
cp -a --remove-destination dest/. /
