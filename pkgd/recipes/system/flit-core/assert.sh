python3 -c 'import flit_core; assert flit_core.__version__ == "3.11.0"'
