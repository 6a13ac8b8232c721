make DESTDIR="$PWD/dest" install
# An index of modules, with the time, to which every module adds a line: it belongs to no package.
find dest -name perllocal.pod -delete
chmod -R u+w dest
cp -a --remove-destination dest/. /
