# As the book does, by somebody who is not root; without the tests that want the root of a machine.
chown -R nobody:nogroup .
exec perl -e '$( = 65534; $) = "65534 65534"; $< = $> = 65534; exec @ARGV; die "$!"' make check
