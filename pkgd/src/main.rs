//! The package daemon: wires plan, exec and store together and serves requests

fn main() {}
