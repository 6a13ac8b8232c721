#!/usr/bin/env -S LANG=C python3 -x
print(1)
