pip3 wheel -w dist --no-cache-dir --no-build-isolation --no-deps "$PWD"
