python3 -c 'import bz2, ctypes, curses, dbm.gnu, hashlib, lzma, readline, ssl, uuid, xml.parsers.expat, zlib'
test "$(python3 -c 'import ctypes; print(ctypes.CDLL(None).abs(-42))')" = 42
python3 -m pip --version
