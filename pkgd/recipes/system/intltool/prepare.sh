# The book: Perl since 5.22 wants the brace escaped.
sed -i 's:\\\${:\\\$\\{:' intltool-update.in
