./configure --prefix=/usr --docdir=/usr/share/doc/gperf-3.2.1
