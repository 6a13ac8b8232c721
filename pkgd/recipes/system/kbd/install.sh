# It compresses here: without the times of the files.
make COMPRESS_PROG="gzip -n" DESTDIR="$PWD/dest" install
cp -a --remove-destination dest/. /
