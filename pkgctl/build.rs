//! Keeps the program inside its budget, most of which the standard library and libc take
//! (`docs/PKGCTL.md`). GNU ld and lld both know the options.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../.cargo/no-unwinding.ld");
    // Packed relocations (`DT_RELR`): 49 KB.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    if let (Ok("release"), Ok(here)) = (var("PROFILE").as_deref(), var("CARGO_MANIFEST_DIR")) {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{here}/../.cargo/no-unwinding.ld");
    }
}
