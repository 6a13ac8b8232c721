//! Sizes and shapes of the release binaries.
#![cfg(feature = "system")]

use std::fs;
use std::process::Command;

use minos_tests::artefacts::binary;

/// Name and largest size in bytes.
const BUDGETS: &[(&str, u64)] = &[("init", 1_250_000), ("pkgctl", 1_500_000), ("pkgd", 8_000_000)];

/// Program header types of ELF (System V ABI): the path of an interpreter, the dynamic section.
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
/// Dynamic section tag: a needed library.
const DT_NEEDED: u64 = 1;

fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    bytes[at..at + size].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// The program headers of a 64-bit little-endian ELF file: type, offset, size in the file.
fn headers(elf: &[u8]) -> Vec<(u32, usize, usize)> {
    assert_eq!(&elf[..5], b"\x7fELF\x02", "a 64-bit ELF file");
    let (start, size, count) =
        (number(elf, 32, 8) as usize, number(elf, 54, 2) as usize, number(elf, 56, 2) as usize);
    (0..count)
        .map(|i| start + i * size)
        .map(|at| {
            (
                number(elf, at, 4) as u32,
                number(elf, at + 8, 8) as usize,
                number(elf, at + 32, 8) as usize,
            )
        })
        .collect()
}

#[test]
fn binaries_keep_their_budgets() {
    for (name, budget) in BUDGETS {
        let size = fs::metadata(binary(name)).expect("the binary").len();
        println!("{name}: {size} of {budget} bytes");
        assert!(size <= *budget, "{name} has {size} bytes, its budget is {budget}");
    }
}

#[test]
fn binaries_stand_alone() {
    for (name, _) in BUDGETS {
        let elf = fs::read(binary(name)).expect("the binary");
        for (kind, offset, size) in headers(&elf) {
            assert_ne!(kind, PT_INTERP, "{name} asks for an interpreter");
            if kind == PT_DYNAMIC {
                let needed =
                    (offset..offset + size).step_by(16).any(|at| number(&elf, at, 8) == DT_NEEDED);
                assert!(!needed, "{name} needs a shared library");
            }
        }
    }
}

/// `file` calls a binary static that dies at its first instruction; only running it is evidence.
#[test]
fn binaries_run() {
    for name in ["pkgctl", "pkgd"] {
        let output = Command::new(binary(name)).arg("--help").output().expect("it starts");
        assert!(output.status.success(), "{name}: {output:?}");
    }
    // PID 1 has no help: told that it is not PID 1, it says so and ends.
    let output = Command::new(binary("init")).output().expect("it starts");
    assert!(output.status.code().is_some(), "init died of a signal: {output:?}");
}
