make bzImage
