# Not init, halt, shutdown and their kin: they talk with System V init, and process 1 is our own.
# Not last, mesg, wall and their kin: the book takes those of util-linux and procps-ng.
make -C src killall5 fstab-decode bootlogd
