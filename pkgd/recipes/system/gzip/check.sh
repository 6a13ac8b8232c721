# The test gives a reader 10 ms to go away before the writer begins: too short beside other builds.
sed -i 's/^sleep 0\.01 .*/sleep_amount=0.5/' tests/pipe-output
make check
