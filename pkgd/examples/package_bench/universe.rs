//! Packages: manifests of made-up files, and packages of small files in memory.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use minos_model::package::{Account, FileKind, Origin, PackageFile};
use minos_model::{Digest, PackageFields, PackageManifest};
use minos_store::{Accounts, ContentSource, Incoming, Reason, Sink};

use crate::Done;
use crate::content::Random;

/// A package with its files, in memory.
pub struct Package {
    name: String,
    pub contents: Vec<(Digest, Vec<u8>)>,
    pub manifest: PackageManifest,
    bytes: Vec<u8>,
    digest: Digest,
}

/// Packages with files of 64 bytes, in memory.
pub struct Universe {
    packages: Vec<Package>,
    by_digest: HashMap<Digest, usize>,
}

impl Universe {
    pub fn new(packages: usize, files: usize) -> Done<Self> {
        let mut random = Random::new();
        let make = |n| package(format!("p{n}"), 1, (0..files).map(|_| random.content(64)));
        let packages = (0..packages).map(make).collect::<Done<_>>()?;
        let mut universe = Self { packages, by_digest: HashMap::new() };
        universe.index();
        Ok(universe)
    }

    fn index(&mut self) {
        let entries = self.packages.iter().enumerate().map(|(n, p)| (p.digest, n));
        self.by_digest = entries.collect();
    }

    /// New versions of `count` packages, others each time, with one new file each; returns them.
    pub fn update(&mut self, version: u64, count: usize) -> Done<Vec<Incoming>> {
        let mut changed = Vec::new();
        for n in 0..count {
            let at = (version as usize * count + n) % self.packages.len();
            let old = self.packages.get_mut(at).ok_or("no package")?;
            let mut files: Vec<Vec<u8>> =
                std::mem::take(&mut old.contents).into_iter().map(|(_, bytes)| bytes).collect();
            if let Some(file) = files.get_mut(1) {
                *file = format!("{} {version}", old.name).into_bytes();
            }
            *old = package(old.name.clone(), version, files)?;
            changed.push(incoming(old));
        }
        self.index();
        Ok(changed)
    }

    pub fn incoming(&self) -> Vec<Incoming> {
        self.packages.iter().map(incoming).collect()
    }
}

fn incoming(package: &Package) -> Incoming {
    let (manifest, accounts) = (package.manifest.clone(), Accounts::default());
    Incoming { manifest, accounts, reason: Reason::Asked }
}

/// Where file `n` of a package stands, and its mode.
pub fn place(name: &str, n: usize) -> (String, u16) {
    match n {
        0 => (format!("etc/{name}.conf"), 0o644),
        1..10 => (format!("usr/bin/{name}-{n}"), 0o755),
        10..60 => (format!("usr/lib/{name}/f{n}"), 0o755),
        _ => (format!("usr/share/{name}/f{n}"), 0o644),
    }
}

fn entry(path: &str, kind: FileKind, mode: u16) -> Done<PackageFile> {
    Ok(PackageFile {
        path: path.parse()?,
        kind,
        mode,
        user: Account::ROOT,
        group: Account::ROOT,
        xattrs: vec![],
    })
}

/// A package of these files.
pub fn package(
    name: String,
    version: u64,
    files: impl IntoIterator<Item = Vec<u8>>,
) -> Done<Package> {
    let hashed = |bytes: Vec<u8>| (Digest::of(&bytes), bytes);
    let contents: Vec<(Digest, Vec<u8>)> = files.into_iter().map(hashed).collect();
    let own = [format!("usr/lib/{name}"), format!("usr/share/{name}")];
    let folders = ["etc", "usr", "usr/bin", "usr/lib", "usr/share"].map(str::to_owned);
    let mut entries: BTreeMap<String, PackageFile> = BTreeMap::new();
    for path in folders.into_iter().chain(own) {
        let folder = entry(&path, FileKind::Directory, 0o755)?;
        entries.insert(path, folder);
    }
    let mut config = Vec::new();
    for (n, (digest, bytes)) in contents.iter().enumerate() {
        let (path, mode) = place(&name, n);
        if n == 0 && name.ends_with('0') {
            config.push(path.parse()?);
        }
        let kind = FileKind::Regular { size: bytes.len() as u64, digest: *digest };
        let file = entry(&path, kind, mode)?;
        entries.insert(path, file);
    }
    let mut files: Vec<PackageFile> = entries.into_values().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let manifest = PackageManifest::new(fields(&name, version, config, files)?)?;
    let bytes = postcard::to_extend(&manifest, Vec::new())?;
    let digest = Digest::of(&bytes);
    Ok(Package { name, contents, manifest, bytes, digest })
}

fn fields(
    name: &str,
    version: u64,
    config: Vec<minos_model::package::PackagePath>,
    files: Vec<PackageFile>,
) -> Done<PackageFields> {
    let (task_key, output) = (Digest::of(b"key"), Digest::of(b"output"));
    Ok(PackageFields {
        description: "made up".to_owned(),
        licence: "MIT".to_owned(),
        config,
        files,
        ..PackageFields::bare(
            name.parse()?,
            format!("{version}-1").parse()?,
            "x86_64".parse()?,
            Origin { recipe: name.parse()?, task_key, output },
        )
    })
}

impl ContentSource for Universe {
    fn manifest(&self, package: &Digest) -> io::Result<Vec<u8>> {
        let at = self.by_digest.get(package).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.packages.get(*at).map(|p| p.bytes.clone()).unwrap_or_default())
    }

    fn contents(
        &self,
        package: &Digest,
        wanted: &dyn Fn(&Digest) -> bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        let at = self.by_digest.get(package).ok_or(io::ErrorKind::NotFound)?;
        for (digest, bytes) in self.packages.get(*at).iter().flat_map(|p| &p.contents) {
            if wanted(digest) {
                sink(digest, &mut bytes.as_slice() as &mut dyn Read)?;
            }
        }
        Ok(())
    }
}
