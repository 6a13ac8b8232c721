//! Packs the relocations of the program (`DT_RELR`): 49 KB of the 1.42 MB it has, most of which is the
//! standard library and libc (`docs/PKGCTL.md`). GNU ld and lld both know the option.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
}
