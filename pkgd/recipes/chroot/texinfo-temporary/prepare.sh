# Defect of 6.8: its copy of gnulib names a macro as glibc did before 2.34.
sed -i 's/__attribute_nonnull__/__nonnull/' gnulib/lib/malloc/dynarray-skeleton.c
