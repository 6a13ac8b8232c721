//! Keeps the program inside its budget, most of which the standard library and libc take
//! (`docs/PKGCTL.md`). GNU ld and lld both know the options.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Packed relocations (`DT_RELR`): 49 KB.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    // The search table for unwinding: 19 KB. A panic ends the program (`panic = "abort"`), nothing unwinds, and
    // without symbols there is no backtrace to print.
    println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
}
