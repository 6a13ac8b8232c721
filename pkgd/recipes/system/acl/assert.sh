cd "$(mktemp -d)"
touch file
getfacl -c file | grep -x 'user::rw-'
