./configure --prefix=/usr --localstatedir=/var/lib/locate
