# As the book does, by somebody who is not root; without the tests that want the root of a machine.
chown -R 1000:1000 .
exec perl -e '$( = 1000; $) = "1000 1000"; $< = $> = 1000; exec @ARGV; die "$!"' make check
