./configure --prefix=/usr
