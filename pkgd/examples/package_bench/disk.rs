//! Trees and package files on disk, and package files as a source of contents.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Cursor, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use minos_model::Digest;
use minos_model::package::PackageFile;
use minos_package::{Options, Policy, SecretKey, TrustStore, write};
use minos_store::{Accounts, Incoming, Reason};
use minos_unpack::Unpacker;

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

/// Package files of a folder, checked and unpacked as pkgd does it: by the worker.
///
/// Opens all packages of `dir/mpk/VERSION`.
pub fn files(dir: &Path, version: u64) -> Done<(Unpacker, Vec<Incoming>)> {
    let mut trust = TrustStore::default();
    trust.trust(key()?.public().clone())?;
    let (mut paths, mut incoming) = (HashMap::new(), Vec::new());
    for entry in fs::read_dir(dir.join(format!("mpk/{version}")))? {
        let path = entry?.path();
        let policy = Policy::Signed { trust: &trust, threshold: 1 };
        let (_, checked) = minos_unpack::open(&path, &policy)?;
        let (manifest, accounts) = (checked.manifest().clone(), Accounts::default());
        incoming.push(Incoming { manifest, accounts, reason: Reason::Asked });
        paths.insert(checked.id(), path);
    }
    Ok((Unpacker::new(paths, trust, 1), incoming))
}
