//! Small packages made in memory.
#![allow(dead_code, reason = "each test program uses a part")]

pub mod raw;

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};

use minos_model::Digest;
use minos_model::package::{
    Account, Actions, FileKind, Origin, PackageFields, PackageFile, PackageManifest, PackagePath,
};
use minos_package::{Error, KeyId, Options, Policy, Reader, SecretKey, TrustStore, write};

pub type Package = Reader<Cursor<Vec<u8>>>;

pub fn path(text: &str) -> PackagePath {
    PackagePath::new(text.into()).expect("a path")
}

pub fn directory(at: &str) -> PackageFile {
    entry(at, FileKind::Directory, 0o755)
}

pub fn regular(at: &str, content: &[u8]) -> PackageFile {
    entry(at, FileKind::Regular { size: content.len() as u64, digest: Digest::of(content) }, 0o644)
}

pub fn symlink(at: &str, target: &str) -> PackageFile {
    entry(at, FileKind::Symlink { target: target.into() }, 0)
}

pub fn hardlink(at: &str, to: &str) -> PackageFile {
    entry(at, FileKind::Hardlink { to: path(to) }, 0)
}

pub fn entry(at: &str, kind: FileKind, mode: u16) -> PackageFile {
    PackageFile {
        path: path(at),
        kind,
        mode,
        user: Account::ROOT,
        group: Account::ROOT,
        xattrs: Vec::new(),
    }
}

/// A package without files.
pub fn empty() -> PackageFields {
    PackageFields {
        name: "greeting".parse().expect("a name"),
        version: "1.0-2".parse().expect("a version"),
        arch: "noarch".parse().expect("a machine"),
        description: "Says hello".to_owned(),
        licence: "MIT".to_owned(),
        origin: Origin {
            recipe: "greeting".parse().expect("a step"),
            task_key: Digest::of(b"task"),
            output: Digest::of(b"output"),
        },
        dependencies: vec![],
        groups: vec![],
        provides: vec![],
        conflicts: vec![],
        replaces: vec![],
        config: vec![],
        actions: Actions::default(),
        files: vec![],
    }
}

/// Contents by path; directories are added where they are needed.
#[derive(Default, Clone)]
pub struct Tree(pub BTreeMap<String, Vec<u8>>);

impl Tree {
    pub fn with(mut self, at: &str, content: impl AsRef<[u8]>) -> Self {
        self.0.insert(at.to_owned(), content.as_ref().to_vec());
        self
    }

    pub fn files(&self) -> Vec<PackageFile> {
        let mut files: BTreeMap<Vec<u8>, PackageFile> = BTreeMap::new();
        for (at, content) in &self.0 {
            files.insert(at.clone().into_bytes(), regular(at, content));
            for (slash, _) in at.match_indices('/') {
                files.insert(at.as_bytes()[..slash].to_vec(), directory(&at[..slash]));
            }
        }
        files.into_values().collect()
    }

    pub fn manifest(&self) -> PackageManifest {
        PackageManifest::new(PackageFields { files: self.files(), ..empty() }).expect("a package")
    }

    pub fn open(&self, file: &PackageFile) -> io::Result<Box<dyn Read>> {
        let content = &self.0[str::from_utf8(file.path.as_bytes()).expect("text")];
        Ok(Box::new(Cursor::new(content.clone())))
    }

    pub fn pack(&self, keys: &[SecretKey], options: &Options) -> Vec<u8> {
        pack(&self.manifest(), self, keys, options)
    }
}

pub fn pack(
    manifest: &PackageManifest,
    tree: &Tree,
    keys: &[SecretKey],
    options: &Options,
) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let written =
        write(manifest, &mut |file| tree.open(file), keys, options, &mut out).expect("packs");
    let bytes = out.into_inner();
    assert_eq!(written.length, bytes.len() as u64);
    bytes
}

/// A few files: one twice, one empty, one longer than a small frame.
pub fn sample() -> Tree {
    let long: Vec<u8> = (0..5000_u32).flat_map(|i| (i * i).to_le_bytes()).collect();
    Tree::default()
        .with("etc/greeting.conf", "who = world\n")
        .with("usr/bin/greet", "#!/bin/sh\necho hello\n")
        .with("usr/share/doc/greeting/again", "hello\n")
        .with("usr/share/doc/greeting/empty", "")
        .with("usr/share/doc/greeting/hello", "hello\n")
        .with("usr/share/greeting/numbers", long)
}

pub fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32], &format!("test key {number}")).expect("a key")
}

pub fn trust(keys: &[&SecretKey]) -> TrustStore {
    let mut store = TrustStore::default();
    for key in keys {
        store.trust(key.public().clone()).expect("not revoked");
    }
    store
}

pub fn ids(keys: &[&SecretKey]) -> Vec<KeyId> {
    let mut ids: Vec<KeyId> = keys.iter().map(|key| key.public().id()).collect();
    ids.sort();
    ids
}

pub fn open(bytes: &[u8]) -> Result<Package, Error> {
    Reader::open(Cursor::new(bytes.to_vec()), &Policy::Unverified)
}

pub fn open_signed(bytes: &[u8], trust: &TrustStore, threshold: usize) -> Result<Package, Error> {
    Reader::open(Cursor::new(bytes.to_vec()), &Policy::Signed { trust, threshold })
}

/// Everything a package can tell: fails if anything is wrong.
pub fn check(bytes: &[u8]) -> Result<(), Error> {
    open(bytes)?.verify().map(drop)
}
