make prefix=/usr lib=lib
