./configure --prefix=/usr --sysconfdir=/etc
