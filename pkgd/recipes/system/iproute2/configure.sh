./configure
