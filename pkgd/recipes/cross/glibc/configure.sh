mkdir build
cd build
# The book: ldconfig and sln go to /usr/sbin.
echo "rootsbindir=/usr/sbin" > configparms
# The book's switches. Whether messages are translated must not depend on whether the seed has gettext: Debian's
# has not, LFS has.
MSGFMT=: ../configure --prefix=/usr                         \
             --host="$LFS_TGT"                     \
             --build="$(../scripts/config.guess)"  \
             --enable-kernel=5.4                   \
             --with-headers="$LFS/usr/include"     \
             --disable-nscd                        \
             libc_cv_slibdir=/usr/lib
