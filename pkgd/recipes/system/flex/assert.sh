cd "$(mktemp -d)"
cat > count.l <<'L'
%option noyywrap
%{
#include <stdio.h>
static int words;
%}
%%
[a-z]+ { words++; }
.|\n   { }
%%
int main(void) { yylex(); return printf("%d\n", words) < 0; }
L
lex -o count.c count.l
gcc count.c -o count
test "$(echo 'one two, three' | ./count)" = 3
