//! The size of the program and that it stands alone. Builds it as it ships.

use std::path::{Path, PathBuf};
use std::process::Command;

/// docs/PKGCTL.md promises it; the initramfs carries it.
const BUDGET: u64 = 1_500_000;

fn release() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--package", "minos-pkgctl"])
        .current_dir(root)
        .status()
        .unwrap();
    assert!(built.success());
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    target.join("x86_64-unknown-linux-gnu/release/pkgctl")
}

#[test]
fn small_static_and_running() {
    let program = release();
    let bytes = std::fs::read(&program).unwrap();
    assert!(bytes.len() as u64 <= BUDGET, "{} bytes, the budget is {BUDGET}", bytes.len());
    assert_eq!(program_headers(&bytes).filter(|kind| *kind == PT_INTERP).count(), 0);
    assert!(!has_needed(&bytes), "it needs a shared library");
    let ran = Command::new(&program).arg("version").env_clear().output().unwrap();
    assert!(ran.status.success() && ran.stdout.starts_with(b"pkgctl "), "{ran:?}");
}

/// Program header types and dynamic tags of the ELF gABI.
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NEEDED: u64 = 1;

/// A little-endian number of `length` bytes at `at`.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes[at..at + length].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

fn headers(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let start = number(bytes, 32, 8) as usize;
    let (size, count) = (number(bytes, 54, 2) as usize, number(bytes, 56, 2) as usize);
    (0..count).map(move |n| start + n * size)
}

fn program_headers(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    headers(bytes).map(|at| number(bytes, at, 4))
}

fn has_needed(bytes: &[u8]) -> bool {
    headers(bytes).filter(|at| number(bytes, *at, 4) == PT_DYNAMIC).any(|at| {
        let (start, size) = (number(bytes, at + 8, 8) as usize, number(bytes, at + 32, 8) as usize);
        (start..start + size).step_by(16).any(|entry| number(bytes, entry, 8) == DT_NEEDED)
    })
}
