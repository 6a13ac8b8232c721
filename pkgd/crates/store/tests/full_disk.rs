//! Full, read-only and failing disks.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::disk::{Cache, Disk};
use common::script::{dump, long_build, open, place_outputs, run};
use common::{build, step};
use minos_store::{Options, Store, StoreError};

/// The disk is full from the nth write on, for every n: the write is refused and the store latches,
/// what was acknowledged stays, and with space again the build goes on.
#[test]
fn disk_full_at_every_write_is_told_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    place_outputs(dir.path());
    let ops = long_build();
    let (mut dumps, disk) = (Vec::new(), Disk::default());
    let store = open(&disk, dir.path()).unwrap();
    let first = disk.writes();
    dumps.push(dump(&store).unwrap());
    for (at, op) in (1..).zip(&ops) {
        run(&store, at, *op).unwrap();
        dumps.push(dump(&store).unwrap());
    }
    let last = disk.writes();
    drop(store);
    for n in (first + 1..=last).step_by(3) {
        let disk = Disk::default();
        let store = open(&disk, dir.path()).unwrap();
        disk.full_at(Some(n));
        let mut results = (1..).zip(&ops).map(|(at, op)| run(&store, at, *op));
        let done = results.by_ref().take_while(Result::is_ok).count();
        assert!(done < ops.len(), "write {n} of {last} was not reached");
        let latched = store.latched().expect("a failed write latches");
        assert!(latched.contains("state."), "{latched}");
        let error = run(&store, 999, ops[0]).unwrap_err();
        assert!(matches!(&error, StoreError::Latched { first } if *first == latched), "{error}");
        let (database, journal) = disk.live();
        disk.after_power_cut(Cache::Lost);
        drop(store);

        let disk = Disk::with(database, journal);
        let store = open(&disk, dir.path()).unwrap_or_else(|e| panic!("full at write {n}: {e}"));
        let found = dump(&store).unwrap();
        let at = (done..=done + 1).find(|at| dumps[*at] == found);
        let at = at.unwrap_or_else(|| panic!("full at write {n}: not the state after {done}"));
        for (at, op) in (1..).zip(&ops).skip(at) {
            run(&store, at, *op).unwrap();
        }
        assert_eq!(dump(&store).unwrap(), dumps[ops.len()], "full at write {n}");
    }
}

#[test]
fn full_disk_while_opening_is_an_error_and_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    drop(open(&disk, dir.path()).unwrap());
    for n in 1..=disk.writes() {
        let disk = Disk::default();
        disk.full_at(Some(n));
        if let Err(error) = open(&disk, dir.path()) {
            assert!(error.is_disk_full(), "write {n}: {error}");
            assert!(error.hint().contains("free space"), "{}", error.hint());
        }
        disk.full_at(None);
        open(&disk, dir.path()).unwrap_or_else(|e| panic!("after a full disk at write {n}: {e}"));
    }
}

/// A small file system of its own, gone with the value.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn new(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "none"], dir.path());
        Self(dir)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn mount(options: &[&str], at: &Path) {
    let status = Command::new("mount").args(options).arg(at).status().expect("mount(8) is needed");
    assert!(status.success(), "mounting failed: this test must run as root");
}

#[test]
fn real_full_disk_is_told_and_a_restart_with_space_goes_on() {
    let disk = Tmpfs::new("4m");
    let root = disk.0.path().join("state");
    let store = Store::open(&root, 1, Options::default()).unwrap();
    let job = store.write(|w| w.create_job("t", vec![], &[step("m4"), step("gcc")], 1)).unwrap();
    build(&store, job, "m4", 5).unwrap();
    let filler = disk.0.path().join("filler");
    let _ = fs::write(&filler, vec![0; 8 << 20]);
    let big = || store.write(|w| w.event(job, vec![7; 600_000], 6));
    let error = (0..10).find_map(|_| big().err()).expect("4 MiB cannot hold this");
    assert!(error.is_disk_full(), "{error}");
    assert!(store.latched().is_some());
    drop(store);

    fs::remove_file(filler).unwrap();
    let store = Store::open(&root, 2, Options::default()).unwrap();
    assert!(store.read().unwrap().cached(&common::key("m4")).unwrap().is_some());
    build(&store, job, "gcc", 9).unwrap();
    assert_eq!(store.read().unwrap().check().unwrap().contradictions, Vec::<String>::new());
}

#[test]
fn read_only_disk_is_named() {
    let disk = Tmpfs::new("4m");
    drop(Store::open(disk.0.path(), 1, Options::default()).unwrap());
    mount(&["-o", "remount,ro"], disk.0.path());
    let error = Store::open(disk.0.path(), 1, Options::default()).unwrap_err();
    assert!(error.to_string().contains(&disk.0.path().display().to_string()), "{error}");
    assert!(error.hint().contains("read-only"), "{error}: {}", error.hint());
}
