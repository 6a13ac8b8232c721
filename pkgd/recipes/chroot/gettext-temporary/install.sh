install -m 755 gettext-tools/src/msgfmt gettext-tools/src/msgmerge gettext-tools/src/xgettext /usr/bin/
