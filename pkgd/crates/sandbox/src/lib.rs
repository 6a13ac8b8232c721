//! Namespaces, Landlock, capabilities, limits and a cgroup around one process
