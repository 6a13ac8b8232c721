make NETNS_RUN_DIR=/run/netns
