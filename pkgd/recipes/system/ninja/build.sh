python3 configure.py --bootstrap --verbose
