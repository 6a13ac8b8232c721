python3 -c 'import markupsafe._speedups, markupsafe; assert markupsafe.escape("<") == "&lt;"'
