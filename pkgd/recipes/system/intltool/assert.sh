intltoolize --version | grep -F 0.51.0
perl -c /usr/bin/intltool-update
