python3 -c 'import wheel; assert wheel.__version__ == "0.45.1"'
wheel version
