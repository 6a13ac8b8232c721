python3 -c 'import setuptools; assert setuptools.__version__ == "75.8.1"'
