# As the book does, by somebody who is not root.
chown -R nobody:nogroup .
exec perl -e '$( = 65534; $) = "65534 65534"; $< = $> = 65534; exec @ARGV; die "$!"' make -k check
