# The book's switches, without its patch of the backspace key, which no Debian source carries.
./configure --prefix=/usr --disable-vlock
