make SHLIB_LIBS="-lncursesw"
