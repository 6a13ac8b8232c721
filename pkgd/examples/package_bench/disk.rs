//! Trees and package files on disk, and package files as a source of contents.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Cursor, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use minos_model::Digest;
use minos_model::package::PackageFile;
use minos_package::{Options, Policy, Reader, SecretKey, TrustStore, write};
use minos_store::{Accounts, ContentSource, Incoming, Reason, Sink};

use crate::Done;
use crate::content::{Contents, update};
use crate::universe::{Package, package, place};

/// Versions that are made: the first, and two updates of it.
pub const VERSIONS: u64 = 3;

fn key() -> Done<SecretKey> {
    Ok(SecretKey::from_seed(&[1; 32], "bench")?)
}

/// Makes `packages` packages: signed files `dir/mpk/VERSION/NAME.mpk`, and with `trees` what is in them as
/// `dir/tree/VERSION/NAME/...` for the first two versions.
pub fn make(dir: &Path, packages: usize, trees: bool) -> Done {
    let (keys, mut contents) = ([key()?], Contents::new());
    for n in 0..packages {
        let name = format!("p{n}");
        let files = contents.next();
        for version in 1..=VERSIONS {
            let mut files = files.clone();
            if version > 1 {
                update(n, version, &mut files);
            }
            if trees && version < 3 {
                tree(&dir.join(format!("tree/{version}/{name}")), &name, &files)?;
            }
            let folder = dir.join(format!("mpk/{version}"));
            fs::create_dir_all(&folder)?;
            let package = package(name.clone(), version, files)?;
            pack(&package, &keys, &folder.join(format!("{name}.mpk")))?;
        }
    }
    Ok(())
}

fn tree(root: &Path, name: &str, files: &[Vec<u8>]) -> Done {
    for (n, bytes) in files.iter().enumerate() {
        let (path, mode) = place(name, n);
        let path = root.join(path);
        fs::create_dir_all(path.parent().ok_or("a path without a folder")?)?;
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, Permissions::from_mode(u32::from(mode)))?;
    }
    Ok(())
}

fn pack(package: &Package, keys: &[SecretKey], path: &Path) -> Done {
    let bytes: HashMap<&Digest, &Vec<u8>> = package.contents.iter().map(|(d, b)| (d, b)).collect();
    let mut source = |file: &PackageFile| -> io::Result<Box<dyn Read>> {
        let content = file.content().and_then(|(_, digest)| bytes.get(&digest));
        let content = content.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(content.to_vec())))
    };
    let mut out = File::create(path)?;
    write(&package.manifest, &mut source, keys, &Options::default(), &mut out)?;
    Ok(())
}

/// Package files of a folder; each is opened, and so verified, whenever something of it is asked for, as pkgd
/// does it.
pub struct Files {
    paths: HashMap<Digest, PathBuf>,
    trust: TrustStore,
}

impl Files {
    /// Opens all packages of `dir/mpk/VERSION`.
    pub fn open(dir: &Path, version: u64) -> Done<(Self, Vec<Incoming>)> {
        let mut trust = TrustStore::default();
        trust.trust(key()?.public().clone())?;
        let mut files = Self { paths: HashMap::new(), trust };
        let mut incoming = Vec::new();
        for entry in fs::read_dir(dir.join(format!("mpk/{version}")))? {
            let path = entry?.path();
            let reader = files.reader(&path)?;
            let (manifest, accounts) = (reader.manifest().clone(), Accounts::default());
            incoming.push(Incoming { manifest, accounts, reason: Reason::Asked });
            files.paths.insert(reader.id(), path);
        }
        Ok((files, incoming))
    }

    fn reader(&self, path: &Path) -> io::Result<Reader<File>> {
        let policy = Policy::Signed { trust: &self.trust, threshold: 1 };
        let on = |why: String| io::Error::other(format!("{}: {why}", path.display()));
        Reader::open(File::open(path)?, &policy).map_err(|e| on(e.to_string()))
    }

    fn of(&self, package: &Digest) -> io::Result<Reader<File>> {
        self.reader(self.paths.get(package).ok_or(io::ErrorKind::NotFound)?)
    }
}

impl ContentSource for Files {
    fn manifest(&self, package: &Digest) -> io::Result<Vec<u8>> {
        Ok(self.of(package)?.manifest_bytes().to_vec())
    }

    fn contents(
        &self,
        package: &Digest,
        wanted: &dyn Fn(&Digest) -> bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        let mut skip = |digest: &Digest| !wanted(digest);
        // The store hashes what it writes and compares.
        let mut each = |digest: Digest, from: &mut dyn Read| sink(&digest, from);
        let done = self.of(package)?.for_each_unique_unhashed(&mut skip, &mut each);
        done.map(drop).map_err(|e| io::Error::other(e.to_string()))
    }
}
