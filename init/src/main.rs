//! PID 1 of MinOS: a pure state machine and a thin shell of system calls around it

fn main() {}
