//! Packages made for a test, and a sink that checks them as the store does.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;

use minos_model::package::{
    Account, FileKind, Origin, PackageFields, PackageFile, PackageManifest, PackagePath,
};
use minos_model::{Digest, Hasher};
use minos_package::{Options, SecretKey, TrustStore, write};
use minos_store::ContentSource as _;
use minos_unpack::Unpacker;

/// Signed packages in a folder of their own.
pub struct Made {
    folder: tempfile::TempDir,
    key: SecretKey,
    files: HashMap<Digest, PathBuf>,
}

impl Made {
    pub fn new() -> Self {
        let key = SecretKey::from_seed(&[7; 32], "test").unwrap();
        Self { folder: tempfile::tempdir().unwrap(), key, files: HashMap::new() }
    }

    /// Adds a package with these contents as files `f0000`, `f0001`, …
    pub fn package(&mut self, name: &str, contents: &[Vec<u8>], frame: u32) -> Digest {
        let files = contents.iter().enumerate().map(|(n, content)| file(n, content)).collect();
        let manifest = PackageManifest::new(fields(name, files)).unwrap();
        let by_digest: BTreeMap<Digest, &Vec<u8>> =
            contents.iter().map(|content| (Digest::of(content), content)).collect();
        let mut source = |file: &PackageFile| -> io::Result<Box<dyn Read>> {
            let (_, digest) = file.content().unwrap();
            Ok(Box::new(Cursor::new(by_digest[&digest].clone())))
        };
        let mut out = Cursor::new(Vec::new());
        let options = Options { frame, ..Options::default() };
        let keys = [SecretKey::from_seed(&[7; 32], "test").unwrap()];
        write(&manifest, &mut source, &keys, &options, &mut out).unwrap();
        let path = self.folder.path().join(format!("{name}.mpk"));
        fs::write(&path, out.into_inner()).unwrap();
        let mut file = fs::File::open(&path).unwrap();
        let policy = minos_package::Policy::Unverified;
        let id = minos_package::Checked::open(&mut file, &policy).unwrap().id();
        self.files.insert(id, path);
        id
    }

    pub fn path(&self, package: &Digest) -> &PathBuf {
        &self.files[package]
    }

    pub fn unpacker(&self) -> Unpacker {
        let mut trust = TrustStore::default();
        trust.trust(self.key.public().clone()).unwrap();
        Unpacker::new(self.files.clone(), trust, 1)
    }
}

fn file(number: usize, content: &[u8]) -> PackageFile {
    PackageFile {
        path: PackagePath::new(format!("f{number:04}").into()).unwrap(),
        kind: FileKind::Regular { size: content.len() as u64, digest: Digest::of(content) },
        mode: 0o644,
        user: Account::ROOT,
        group: Account::ROOT,
        xattrs: Vec::new(),
    }
}

fn fields(name: &str, files: Vec<PackageFile>) -> PackageFields {
    let digest = Digest::of(b"test");
    PackageFields {
        description: "Made up".to_owned(),
        licence: "MIT".to_owned(),
        files,
        ..PackageFields::bare(
            name.parse().unwrap(),
            "1.0".parse().unwrap(),
            "noarch".parse().unwrap(),
            Origin { recipe: "test".parse().unwrap(), task_key: digest, output: digest },
        )
    }
}

/// Contents of all sizes around those of frames and records.
pub fn contents() -> Vec<Vec<u8>> {
    let sizes = [0, 1, 5, 4096, 65_535, 65_537, 262_143, 262_144, 262_145, 1_000_003, 17];
    (1u8..).zip(sizes).map(|(salt, size)| pattern(salt, size)).collect()
}

pub fn pattern(salt: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at as u8).wrapping_mul(salt) ^ (at >> 8) as u8).collect()
}

/// Takes what is wanted out of a package, hashing each content as the store does.
pub fn take(
    unpacker: &Unpacker,
    package: &Digest,
    wanted: &dyn Fn(&Digest) -> bool,
) -> io::Result<Vec<Digest>> {
    let mut taken = Vec::new();
    let mut sink = |digest: &Digest, content: &mut dyn Read| {
        let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 100_000]);
        loop {
            match content.read(&mut buffer)? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        let found = hasher.finish();
        if found != *digest {
            return Err(io::Error::other(format!("its SHA-256 is {found}")));
        }
        taken.push(*digest);
        Ok(())
    };
    unpacker.contents(package, wanted, &mut sink)?;
    Ok(taken)
}
