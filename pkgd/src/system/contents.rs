//! Where a transaction takes manifests and contents from: the package files of the repositories.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use minos_model::Digest;
use minos_package::keys::TrustStore;
use minos_store::{ContentSource, Sink};

use super::repositories::{self, Known};

/// Package files, each opened and verified when it is asked for.
pub struct Contents<'a> {
    known: Arc<Known>,
    trust: TrustStore,
    /// Told the number of packages given out so far, and the one that comes.
    tell: &'a (dyn Fn(u64, &str) + Sync),
    given: AtomicU64,
}

impl<'a> Contents<'a> {
    /// The packages of an index.
    pub fn new(known: Arc<Known>, trust: TrustStore, tell: &'a (dyn Fn(u64, &str) + Sync)) -> Self {
        Self { known, trust, tell, given: AtomicU64::new(0) }
    }

    fn open(&self, package: &Digest) -> io::Result<minos_package::Reader<std::fs::File>> {
        let path = self.known.files.get(package).ok_or_else(|| {
            let what = format!("no repository has package {} any more", package.short());
            io::Error::new(io::ErrorKind::NotFound, what)
        })?;
        let on = |why: String| io::Error::other(format!("{}: {why}", path.display()));
        let reader = repositories::open(path, &self.trust).map_err(on)?;
        if reader.id() != *package {
            return Err(on("it is another package than at the last 'pkgctl repo sync'".to_owned()));
        }
        Ok(reader)
    }
}

impl ContentSource for Contents<'_> {
    fn manifest(&self, package: &Digest) -> io::Result<Vec<u8>> {
        Ok(self.open(package)?.manifest_bytes().to_vec())
    }

    fn contents(
        &self,
        package: &Digest,
        wanted: &dyn Fn(&Digest) -> bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        let mut reader = self.open(package)?;
        let name = reader.manifest().name.to_string();
        (self.tell)(self.given.fetch_add(1, Ordering::Relaxed), &name);
        let mut skip = |digest: &Digest| !wanted(digest);
        // The store hashes what it writes and compares.
        let done =
            reader.for_each_unique_unhashed(&mut skip, &mut |digest, from| sink(&digest, from));
        done.map(drop).map_err(|e| io::Error::other(format!("package {name}: {e}")))
    }
}
