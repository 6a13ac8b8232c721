//! What is told when contents cannot be taken in: whose fault it is, and what to do.

mod common;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::packages::{CLOCK, Item, Shelf, Spec, spec};
use common::place::Place;
use minos_model::Digest;
use minos_store::fs::RealFs;
use minos_store::{
    ContentSource, NoTriggers, Options, Request, Sink, Store, System, SystemError, SystemOptions,
};

/// A small file system of its own, gone with the value.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn new(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "none"]);
        assert!(mount.arg(dir.path()).status().unwrap().success(), "this test runs as root");
        Self(dir)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Gives contents out, and does something else before each package.
struct Before<F: Fn() + Sync>(Shelf, F);

impl<F: Fn() + Sync> ContentSource for Before<F> {
    fn manifest(&self, package: &Digest) -> io::Result<Vec<u8>> {
        self.0.manifest(package)
    }

    fn contents(
        &self,
        package: &Digest,
        wanted: &dyn Fn(&Digest) -> bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        (self.1)();
        self.0.contents(package, wanted, sink)
    }
}

fn packages() -> Vec<Spec> {
    let texts = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
    let one = |text: &&'static str| {
        spec(text, "1-1", &[(&format!("usr/{text}"), Item::File(text, 0o644))])
    };
    texts.iter().map(one).collect()
}

fn apply(system: &System<'_>, specs: &[Spec], source: &dyn ContentSource) -> SystemError {
    let install = specs.iter().map(Spec::incoming).collect();
    let plan = system.plan(&Request { install, ..Request::default() }).unwrap();
    system.apply(&plan, source, &mut NoTriggers, None, &CLOCK).unwrap_err()
}

fn fill(at: &Path) {
    let _ = fs::write(at.join("filler"), vec![0; 16 << 20]);
}

/// The second of two threads for which the disk had no room found the first one's failure taken already, and told people
/// that a package is damaged and to be fetched again.
#[test]
fn a_full_disk_is_told_as_such_whichever_thread_finds_it_first() {
    for _ in 0..20 {
        let disk = Tmpfs::new("8m");
        let state: PathBuf = disk.0.path().join("state");
        let store = Store::open(&state, 5, Options::default()).unwrap();
        let seam = RealFs::new(&state).unwrap();
        let options = SystemOptions { reserve_bytes: 0, threads: 4, ..SystemOptions::default() };
        let system = System::new(&store, &seam, options).unwrap();
        let source = Before(Shelf::of(&packages()), || fill(disk.0.path()));
        let error = apply(&system, &packages(), &source);
        let SystemError::Io { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert!(error.hint().contains("free space"), "{}", error.hint());
    }
}

#[test]
fn a_wrong_content_is_told_with_its_package() {
    let place = Place::new();
    let mut shelf = Shelf::of(&packages());
    shelf.spoil("three", "other");
    let error = apply(&place.system(), &packages(), &shelf).to_string();
    assert!(error.contains("is wrong: package three: its SHA-256 is"), "{error}");
}

/// It was "the content ... is wrong", with the advice to fetch the package again.
#[test]
fn a_package_that_is_gone_is_told_as_gone() {
    struct Gone(Shelf);
    impl ContentSource for Gone {
        fn manifest(&self, package: &Digest) -> io::Result<Vec<u8>> {
            self.0.manifest(package)
        }
        fn contents(
            &self,
            _: &Digest,
            _: &dyn Fn(&Digest) -> bool,
            _: &mut Sink<'_>,
        ) -> io::Result<()> {
            Err(io::Error::new(io::ErrorKind::NotFound, "there is no file 'x.mpk' any more"))
        }
    }
    let place = Place::new();
    for source in [&Gone(Shelf::of(&packages())) as &dyn ContentSource, &Shelf::default()] {
        let error = apply(&place.system(), &packages(), source);
        assert!(matches!(error, SystemError::Gone { .. }), "{error}");
        assert!(error.to_string().contains("is gone") && error.hint().contains("repo sync"));
    }
}
