//! The budgets of the release build: size, linkage, private memory.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ns::{GOOD_PKGD, Ns, Plan, wait_for};

/// Bytes of the file.
const FILE: u64 = 1_250_000;
/// Private memory in kB, after 2,000 orphans.
const PRIVATE_KB: u64 = 100;

/// Builds init as it is shipped.
fn release() -> PathBuf {
    let done = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "minos-init", "--bin", "init"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(done.success(), "the release build failed");
    let debug = Path::new(env!("CARGO_BIN_EXE_init"));
    debug.parent().unwrap().with_file_name("release").join("init")
}

#[test]
fn the_file_is_small_static_and_runs() {
    let path = release();
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!("init: {bytes} of {FILE} bytes");
    assert!(bytes <= FILE, "{bytes} bytes are over the budget of {FILE}");
    let elf = std::fs::read(&path).unwrap();
    let word = |at: usize, n: usize| {
        elf[at..at + n].iter().rev().fold(0u64, |w, b| w << 8 | u64::from(*b))
    };
    let (table, size, count) = (word(32, 8) as usize, word(54, 2) as usize, word(56, 2) as usize);
    let kinds: Vec<u64> = (0..count).map(|i| word(table + i * size, 4)).collect();
    assert!(kinds.contains(&1), "there must be something to load: {kinds:?}");
    assert!(!kinds.contains(&3), "PT_INTERP: an interpreter is needed");
    assert!(!kinds.contains(&2), "PT_DYNAMIC: libraries may be needed");
    let out = Command::new(&path).arg("--version").output().unwrap();
    assert!(out.status.success() && out.stdout.starts_with(b"init "), "{out:?}");
}

#[test]
fn private_memory_stays_small_after_two_thousand_orphans() {
    let pkgd = format!(
        "i=0; while [ $i -lt 2000 ]; do ( ( : ) & ); i=$((i+1)); done; touch $D/gone\n{GOOD_PKGD}"
    );
    let ns = Ns::start(Plan { init: release(), pkgd: &pkgd, ..Plan::default() });
    ns.wait_file("gone");
    wait_for("all orphans to be reaped", || (ns.children() == 2).then_some(()));
    let private = ns.status_kb("RssAnon");
    println!("private memory after 2,000 orphans: {private} of {PRIVATE_KB} kB");
    assert!(private <= PRIVATE_KB, "{private} kB are over the budget of {PRIVATE_KB}");
}
