//! Leaves out of the program what nothing reads: the tables for unwinding, since a panic ends it (0.7 MB of 7.8), and
//! relocations one by one, since most can be packed (`DT_RELR`).

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../.cargo/no-unwinding.ld");
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    if let (Ok("release"), Ok(here)) = (var("PROFILE").as_deref(), var("CARGO_MANIFEST_DIR")) {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{here}/../.cargo/no-unwinding.ld");
    }
}
