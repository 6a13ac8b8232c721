//! How pkgd and pkgctl are linked: without what nothing reads in them, most of which is of the standard library and libc
//! (`docs/PKGCTL.md`). It is the build script of both. GNU ld and lld both know the options.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=../.cargo/programs.rs");
    println!("cargo::rerun-if-changed=../.cargo/no-unwinding.ld");
    // Packed relocations (`DT_RELR`): 49 KB of pkgctl.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    if let (Ok("release"), Ok(here)) = (var("PROFILE").as_deref(), var("CARGO_MANIFEST_DIR")) {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{here}/../.cargo/no-unwinding.ld");
    }
}
