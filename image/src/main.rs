//! Makes kernel, initramfs, seed, sources and disks, deterministically

fn main() {}
