//! The command line and console shell of MinOS

fn main() {}
