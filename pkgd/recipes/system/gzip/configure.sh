# The book's system has less by now, and this a zless.
./configure --prefix=/usr ac_cv_prog_LESS=less
