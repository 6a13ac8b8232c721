//! Small packages to install, a source for their contents, and a picture of what is installed.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use minos_model::package::{Account, FileKind, Origin, PackageFile, Xattr};
use minos_model::{Digest, PackageFields, PackageManifest, PackagePath};
use minos_store::fs::{FileType, Fs};
use minos_store::{
    Accounts, ContentSource, Incoming, NoTriggers, Plan, Reason, Request, Sink, System, SystemError,
};

/// What stands at a path of a test package.
#[derive(Debug, Clone)]
pub enum Item {
    File(&'static str, u16),
    Config(&'static str),
    Link(&'static str),
    Hard(&'static str),
    Folder(u16),
    /// A file with extended attributes, sorted by name.
    Marked(&'static str, u16, Marks),
    /// A folder with extended attributes.
    MarkedFolder(Marks),
}

pub type Marks = &'static [(&'static str, &'static [u8])];

/// A package of files; folders above them are made up where they are not given.
#[derive(Debug, Clone)]
pub struct Spec {
    pub name: String,
    pub version: String,
    pub items: BTreeMap<String, Item>,
    pub provides: Vec<String>,
    pub depends: Vec<String>,
}

pub fn spec(name: &str, version: &str, items: &[(&str, Item)]) -> Spec {
    Spec {
        name: name.to_owned(),
        version: version.to_owned(),
        items: items.iter().map(|(path, item)| ((*path).to_owned(), item.clone())).collect(),
        provides: Vec::new(),
        depends: Vec::new(),
    }
}

impl Spec {
    fn file(&self, path: &str, item: &Item) -> PackageFile {
        let (kind, mode) = match item {
            Item::File(text, mode) => (regular(text), *mode),
            Item::Config(text) => (regular(text), 0o644),
            Item::Link(to) => (FileKind::Symlink { target: to.as_bytes().to_vec() }, 0),
            Item::Hard(to) => (FileKind::Hardlink { to: to.parse().unwrap() }, 0),
            Item::Folder(mode) => (FileKind::Directory, *mode),
            Item::Marked(text, mode, _) => (regular(text), *mode),
            Item::MarkedFolder(_) => (FileKind::Directory, 0o755),
        };
        let marks = match item {
            Item::Marked(_, _, marks) | Item::MarkedFolder(marks) => *marks,
            _ => &[],
        };
        let xattr = |(name, value): &(&str, &[u8])| Xattr {
            name: (*name).to_owned(),
            value: value.to_vec(),
        };
        let (user, group) = (Account::ROOT, Account::ROOT);
        let xattrs = marks.iter().map(xattr).collect();
        PackageFile { path: path.parse().unwrap(), kind, mode, user, group, xattrs }
    }

    pub fn manifest(&self) -> PackageManifest {
        let mut items = self.items.clone();
        for path in self.items.keys() {
            for (at, _) in path.match_indices('/') {
                items.entry(path[..at].to_owned()).or_insert(Item::Folder(0o755));
            }
        }
        let mut files: Vec<_> = items.iter().map(|(path, item)| self.file(path, item)).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let config = self.items.iter().filter(|(_, item)| matches!(item, Item::Config(_)));
        let config: Vec<PackagePath> = config.map(|(path, _)| path.parse().unwrap()).collect();
        let dependency = |text: &String| minos_model::Dependency {
            kind: minos_model::DependencyKind::Runtime,
            requirement: text.parse().unwrap(),
            condition: None,
        };
        PackageManifest::new(PackageFields {
            description: "a package to test with".to_owned(),
            licence: "MIT".to_owned(),
            dependencies: self.depends.iter().map(dependency).collect(),
            provides: self.provides.iter().map(|text| text.parse().unwrap()).collect(),
            config,
            files,
            ..PackageFields::bare(
                self.name.parse().unwrap(),
                self.version.parse().unwrap(),
                "x86_64".parse().unwrap(),
                Origin {
                    recipe: self.name.parse().unwrap(),
                    task_key: Digest::of(b"key"),
                    output: Digest::of(b"output"),
                },
            )
        })
        .unwrap()
    }

    pub fn incoming(&self) -> Incoming {
        let (manifest, accounts) = (self.manifest(), Accounts::default());
        Incoming { manifest, accounts, reason: Reason::Asked }
    }
}

fn regular(text: &str) -> FileKind {
    FileKind::Regular { size: text.len() as u64, digest: Digest::of(text.as_bytes()) }
}

/// Manifests and contents of packages, in memory.
#[derive(Debug, Default)]
pub struct Shelf {
    manifests: HashMap<Digest, Vec<u8>>,
    contents: HashMap<Digest, HashMap<Digest, Vec<u8>>>,
}

impl Shelf {
    pub fn of(specs: &[Spec]) -> Self {
        let mut shelf = Self::default();
        for spec in specs {
            shelf.add(spec);
        }
        shelf
    }

    /// The contents of a spec under another manifest.
    pub fn with(manifest: &PackageManifest, spec: &Spec) -> Self {
        let mut shelf = Self::default();
        shelf.put(manifest, spec);
        shelf
    }

    pub fn add(&mut self, spec: &Spec) -> Digest {
        self.put(&spec.manifest(), spec)
    }

    fn put(&mut self, manifest: &PackageManifest, spec: &Spec) -> Digest {
        let bytes = postcard::to_extend(manifest, Vec::new()).unwrap();
        let digest = Digest::of(&bytes);
        let texts = spec.items.values().filter_map(|item| match item {
            Item::File(text, _) | Item::Config(text) | Item::Marked(text, ..) => {
                Some(text.as_bytes())
            }
            _ => None,
        });
        let contents = texts.map(|text| (Digest::of(text), text.to_vec())).collect();
        self.manifests.insert(digest, bytes);
        self.contents.insert(digest, contents);
        digest
    }

    /// Puts other bytes in the place of a content.
    pub fn spoil(&mut self, content: &str, other: &str) {
        for contents in self.contents.values_mut() {
            if let Some(bytes) = contents.get_mut(&Digest::of(content.as_bytes())) {
                *bytes = other.as_bytes().to_vec();
            }
        }
    }

    /// Forgets a content.
    pub fn lose(&mut self, content: &str) {
        for contents in self.contents.values_mut() {
            contents.remove(&Digest::of(content.as_bytes()));
        }
    }
}

impl ContentSource for Shelf {
    fn manifest(&self, package: &Digest) -> io::Result<Vec<u8>> {
        self.manifests.get(package).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn contents(
        &self,
        package: &Digest,
        wanted: &dyn Fn(&Digest) -> bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        let mut list: Vec<_> = self.contents[package].iter().collect();
        list.sort();
        for (digest, bytes) in list {
            if wanted(digest) {
                sink(digest, &mut bytes.as_slice() as &mut dyn Read)?;
            }
        }
        Ok(())
    }
}

pub const CLOCK: fn() -> u64 = || 1_000_000;

/// Plans and applies in one.
pub fn install(system: &System<'_>, specs: &[Spec], remove: &[&str]) -> Result<u64, SystemError> {
    let request = Request {
        install: specs.iter().map(Spec::incoming).collect(),
        remove: remove.iter().map(|name| name.parse().unwrap()).collect(),
        note: "test".to_owned(),
        ..Request::default()
    };
    let plan = system.plan(&request)?;
    // Every plan passes through its file form.
    let plan = Plan::decode(&plan.encode()?)?;
    let shelf = Shelf::of(specs);
    Ok(system.apply(&plan, &shelf, &mut NoTriggers, None, &CLOCK)?.generation)
}

/// Every path below `at` with kind, mode, owner, extended attributes and content, one a line.
pub fn picture(fs: &dyn Fs, at: &Path) -> String {
    let mut out = String::new();
    let mut open: Vec<PathBuf> = vec![at.to_owned()];
    while let Some(folder) = open.pop() {
        for (name, kind) in fs.list(&folder).unwrap() {
            let path = folder.join(OsStr::from_bytes(&name));
            let stat = fs.stat(&path).unwrap().unwrap();
            let short = path.strip_prefix(at).unwrap().display().to_string();
            write!(out, "{short} {:o} {} {} ", stat.mode, stat.uid, stat.gid).unwrap();
            if kind != FileType::Symlink {
                for (name, value) in fs.xattrs(&path).unwrap() {
                    write!(out, "{name}={} ", value.escape_ascii()).unwrap();
                }
            }
            match kind {
                FileType::Directory => {
                    out.push('/');
                    open.push(path);
                }
                FileType::Symlink => {
                    let target = fs.read_link(&path).unwrap();
                    write!(out, "-> {}", String::from_utf8_lossy(&target)).unwrap();
                }
                _ => {
                    let mut bytes = Vec::new();
                    fs.open(&path).unwrap().read_to_end(&mut bytes).unwrap();
                    write!(out, "{}", bytes.escape_ascii()).unwrap();
                }
            }
            out.push('\n');
        }
    }
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// What a user of the system can see: the current generation, its packages, and every file of its root.
pub fn system_picture(system: &System<'_>, store: &minos_store::Store, fs: &dyn Fs) -> String {
    let read = store.read().unwrap();
    let mut out = String::new();
    let current = read.current_generation().unwrap();
    writeln!(out, "current {current:?}").unwrap();
    for installed in read.installed().unwrap() {
        let row = installed.package;
        writeln!(out, "{} {} {:?}", row.name, row.version, installed.reason).unwrap();
    }
    for row in read.generations().unwrap() {
        writeln!(out, "generation {} of {:?}", row.number, row.members).unwrap();
    }
    if let Some(current) = current {
        let target = fs.read_link(Path::new("current")).unwrap();
        assert_eq!(target, format!("roots/{current}").into_bytes());
        out.push_str(&picture(fs, Path::new(&format!("roots/{current}"))));
    }
    drop(read);
    let _ = system;
    out
}
