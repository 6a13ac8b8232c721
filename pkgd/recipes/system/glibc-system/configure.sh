mkdir build
cd build
# The book: ldconfig and sln go to /usr/sbin.
echo "rootsbindir=/usr/sbin" > configparms
# The book's switches. Without the FHS patch, which no Debian source carries: nscd, which it is for, is not built.
../configure --prefix=/usr                   \
             --disable-werror                \
             --disable-nscd                  \
             libc_cv_slibdir=/usr/lib        \
             --enable-stack-protector=strong \
             --enable-kernel=5.4
