make test TESTOPTS="--timeout 120"
