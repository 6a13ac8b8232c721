jobs=${MAKEFLAGS#-j}
TEST_JOBS=${jobs%% *} make test_harness
