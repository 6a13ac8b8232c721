# No entry in the index of modules, which is every module's: a file has one owner.
perl Makefile.PL NO_PERLLOCAL=1 NO_PACKLIST=1 OPTIMIZE=-O2
