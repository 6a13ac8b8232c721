# Releases of glibc since 2.34 have this macro themselves, with other arguments.
sed -i 's/__attribute_nonnull__/__nonnull/' gnulib/lib/malloc/dynarray-skeleton.c
