cd "$(mktemp -d)"
printf 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\nmsgid "yes"\nmsgstr "ja"\n' > de.po
msgfmt --statistics -o de.mo de.po
test -s de.mo
echo 'int main(void) { return puts(gettext("hello")); }' | xgettext -k -kgettext -L C -o - - | grep -F 'msgid "hello"'
msgmerge --version | grep -F 0.23.1
