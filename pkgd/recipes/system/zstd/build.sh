make prefix=/usr
