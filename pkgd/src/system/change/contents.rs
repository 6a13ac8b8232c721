//! Where a transaction takes manifests and contents from: the package files of the repositories.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use minos_model::{Digest, PackageManifest};
use minos_package::keys::TrustStore;
use minos_store::{ContentSource, Sink};
use minos_unpack::Unpacker;

use crate::system::repositories::{Known, THRESHOLD};

/// Package files, each checked when it is asked for and unpacked by a worker.
pub struct Contents<'a> {
    unpacker: Unpacker,
    known: &'a Known,
    trust: TrustStore,
    /// Told the number of packages given out so far, and the one that comes.
    tell: &'a (dyn Fn(u64, &str) + Sync),
    given: AtomicU64,
}

impl<'a> Contents<'a> {
    /// The packages of an index.
    pub fn new(known: &'a Known, trust: TrustStore, tell: &'a (dyn Fn(u64, &str) + Sync)) -> Self {
        let unpacker = Unpacker::new(Arc::clone(&known.files), trust.clone(), THRESHOLD);
        Self { unpacker, known, trust, tell, given: AtomicU64::new(0) }
    }

    /// The manifest of a package.
    ///
    /// # Errors
    /// Its file is gone ([`io::ErrorKind::NotFound`]), or is not what it was.
    pub fn decoded(&self, package: &Digest) -> io::Result<PackageManifest> {
        let bytes = self.unpacker.manifest(package)?;
        minos_package::reader::decode_manifest(&bytes, *package).map_err(io::Error::other)
    }
}

impl ContentSource for Contents<'_> {
    fn manifest(&self, package: &Digest) -> io::Result<Vec<u8>> {
        self.unpacker.manifest(package)
    }

    fn contents(
        &self,
        package: &Digest,
        wanted: &dyn Fn(&Digest) -> bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        if let Some(path) = self.known.files.get(package) {
            let on = |why: String| io::Error::other(format!("{}: {why}", path.display()));
            self.known.fetched.complete(path, &self.trust, &|_| {}).map_err(on)?;
        }
        let tell = |name: &str| (self.tell)(self.given.fetch_add(1, Ordering::Relaxed), name);
        self.unpacker.unpack(package, &tell, wanted, sink)
    }
}
