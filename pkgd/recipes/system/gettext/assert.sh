cd "$(mktemp -d)"
printf 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\nmsgid "yes"\nmsgstr "ja"\n' > de.po
msgfmt de.po -o de.mo
msgunfmt de.mo | grep -F 'msgstr "ja"'
