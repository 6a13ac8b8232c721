# The suite takes modules away from every folder that it imports from, and one that cannot be written for an error: that
# of the installed Python is not its own.
cat > Lib/sitecustomize.py <<'PY'
import sys
sys.path[:] = [folder for folder in sys.path if not folder.startswith("/usr/")]
PY
make test TESTOPTS="--timeout 120"
