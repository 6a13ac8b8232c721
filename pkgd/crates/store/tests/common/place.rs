//! A store in a folder of its own, and the systems in it.

use minos_store::fs::RealFs;
use minos_store::{Options, Store, System, SystemOptions};

pub struct Place {
    pub dir: tempfile::TempDir,
    pub store: Store,
    pub fs: RealFs,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 5, Options::default()).unwrap();
        let fs = RealFs::new(dir.path()).unwrap();
        Self { dir, store, fs }
    }

    pub fn system(&self) -> System<'_> {
        let options = SystemOptions { reserve_bytes: 0, ..SystemOptions::default() };
        System::new(&self.store, &self.fs, options).unwrap()
    }
}
