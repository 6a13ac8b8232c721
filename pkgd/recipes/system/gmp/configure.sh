# The book's switches, and build and host by name: left alone, it builds for the processor it runs on.
./configure --prefix=/usr --enable-cxx --disable-static --docdir=/usr/share/doc/gmp-6.3.0 \
            --build=x86_64-pc-linux-gnu --host=x86_64-pc-linux-gnu
