//! Small packages made in memory.
#![allow(dead_code, reason = "each test program uses a part")]

pub mod raw;

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};

use minos_model::package::{
    Account, AccountName, Actions, DirectoryAction, FileKind, GroupAction, LinkAction,
    OptionalGroup, Origin, PackageFields, PackageFile, PackageManifest, PackagePath, ServiceAction,
    SysctlAction, UserAction, Xattr,
};
use minos_model::{Dependency, DependencyKind, Digest};
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
        description: "Says hello".to_owned(),
        licence: "MIT".to_owned(),
        ..PackageFields::bare(
            "greeting".parse().expect("a name"),
            "1.0-2".parse().expect("a version"),
            "noarch".parse().expect("a machine"),
            Origin {
                recipe: "greeting".parse().expect("a step"),
                task_key: Digest::of(b"task"),
                output: Digest::of(b"output"),
            },
        )
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

/// A package with something in every field, and the files of [`sample`].
pub fn full() -> PackageManifest {
    let name = |text: &str| text.parse().expect("a name");
    let requirement = |text: &str| text.parse().expect("a requirement");
    let account: AccountName = "greeter".parse().expect("a name");
    let dependency = |kind, text, condition: Option<&str>| Dependency {
        kind,
        requirement: requirement(text),
        condition: condition.map(requirement),
    };
    let mut files = sample().files();
    files[1].user = Account::Name(account.clone());
    files[1].xattrs.push(Xattr { name: "user.note".to_owned(), value: b"mine".to_vec() });
    files.push(hardlink("usr/bin/hello", "usr/bin/greet"));
    files.push(symlink("usr/bin/hi", "greet"));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let fields = PackageFields {
        version: "1:2.0~rc1-3".parse().expect("a version"),
        arch: "x86_64".parse().expect("a machine"),
        dependencies: vec![
            dependency(DependencyKind::Runtime, "glibc>=2.40,<3", Some("role:init")),
            dependency(DependencyKind::Runtime, "cmd:sh", None),
            dependency(DependencyKind::Build, "gcc^14", None),
            dependency(DependencyKind::Group(name("tls")), "soname:libssl.so.3(x86_64)", None),
        ],
        groups: vec![OptionalGroup { name: name("tls"), reason: "Greets over TLS".to_owned() }],
        provides: ["cmd:greet", "pkgconfig:greeting=2.0~rc1", "role:greeter"]
            .map(|c| c.parse().expect("one"))
            .to_vec(),
        conflicts: vec![requirement("salute")],
        replaces: vec![requirement("hello<1:2")],
        config: vec![path("etc/greeting.conf")],
        actions: Actions {
            groups: vec![GroupAction { name: account.clone(), id: Some(77) }],
            users: vec![UserAction {
                name: account.clone(),
                id: None,
                group: account.clone(),
                home: Some(path("var/lib/greeter")),
                description: "Greets".to_owned(),
            }],
            directories: vec![DirectoryAction {
                path: path("var/lib/greeter"),
                mode: 0o750,
                user: Account::Name(account.clone()),
                group: Account::Id(0),
            }],
            links: vec![LinkAction {
                path: path("etc/greeter"),
                target: b"greeting.conf".to_vec(),
            }],
            sysctl: vec![SysctlAction {
                key: "net.ipv4.ip_forward".to_owned(),
                value: "1".to_owned(),
            }],
            services: vec![ServiceAction { name: name("greeter"), enable: true }],
        },
        files,
        ..empty()
    };
    PackageManifest::new(fields).expect("a package")
}
