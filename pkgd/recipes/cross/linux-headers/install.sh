cp -r usr/include "$LFS/usr"
