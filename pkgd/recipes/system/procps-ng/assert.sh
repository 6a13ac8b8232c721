ps -o pid= -p $$ | grep -w $$
free | grep -F Mem:
