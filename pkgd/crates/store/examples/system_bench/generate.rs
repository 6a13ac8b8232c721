//! Packages made up from a seed: sizes log-normal (mu 8.3, sigma 1.6, at most 400 kB), 40 % of the files
//! incompressible, and in every tenth package 20 files that all of those have.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use minos_model::package::{Account, Actions, FileKind, Origin, PackageFile};
use minos_model::{Digest, PackageFields, PackageManifest};
use minos_store::{Accounts, ContentSource, Incoming, Reason, Sink};

/// How many packages of how many files.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub packages: usize,
    pub files: usize,
}

struct Package {
    name: String,
    contents: Vec<(Digest, Vec<u8>)>,
    manifest: PackageManifest,
    bytes: Vec<u8>,
    digest: Digest,
}

/// All packages, in memory.
pub struct Universe {
    packages: Vec<Package>,
    by_digest: HashMap<Digest, usize>,
}

/// xorshift64*, good enough to make up files.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn size(&mut self) -> usize {
        let normal = (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        ((8.3 + 1.6 * normal).exp() as usize).clamp(1, 400_000)
    }
}

fn content(random: &mut Random, size: usize) -> Vec<u8> {
    let noise = random.unit() < 0.4;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        let value = random.next();
        let text =
            if noise { value } else { value & 0x0707_0707_0707_0707 | 0x6060_6060_6060_6060 };
        bytes.extend_from_slice(&text.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

impl Universe {
    /// Packages with files as in the world.
    pub fn new(shape: Shape) -> Self {
        Self::make(shape, Random::size)
    }

    /// Packages with files of 64 bytes.
    pub fn small(shape: Shape) -> Self {
        Self::make(shape, |_| 64)
    }

    fn make(shape: Shape, size: impl Fn(&mut Random) -> usize) -> Self {
        let mut universe = Self { packages: Vec::new(), by_digest: HashMap::new() };
        let mut random = Random(0x6d69_6e6f_7321);
        let shared: Vec<Vec<u8>> = (0..20).map(|_| content(&mut random, 4000)).collect();
        for n in 0..shape.packages {
            let mut files = Vec::with_capacity(shape.files);
            for f in 0..shape.files {
                let size = size(&mut random);
                let same = shared.get(f).filter(|_| n % 10 == 0);
                files.push(same.cloned().unwrap_or_else(|| content(&mut random, size)));
            }
            let contents = files.into_iter().map(|bytes| (Digest::of(&bytes), bytes)).collect();
            universe.packages.push(package(format!("p{n}"), 1, contents));
        }
        universe.index();
        universe
    }

    fn index(&mut self) {
        let entries = self.packages.iter().enumerate().map(|(n, p)| (p.digest, n));
        self.by_digest = entries.collect();
    }

    pub fn bytes(&self) -> usize {
        self.packages.iter().flat_map(|p| &p.contents).map(|(_, bytes)| bytes.len()).sum()
    }

    /// A new version of every package; a tenth of the files of 30 % of them differ.
    pub fn update(&mut self, version: u64) {
        for (n, old) in self.packages.iter_mut().enumerate() {
            let mut contents = std::mem::take(&mut old.contents);
            if n % 10 < 3 {
                for (digest, bytes) in contents.iter_mut().step_by(10) {
                    bytes.truncate(bytes.len().saturating_sub(8));
                    bytes.extend_from_slice(&version.to_le_bytes());
                    *digest = Digest::of(bytes);
                }
            }
            *old = package(old.name.clone(), version, contents);
        }
        self.index();
    }

    /// A new version of the first package, with one new file.
    pub fn update_one(&mut self, version: u64) {
        self.update_at(0, version);
        self.index();
    }

    fn update_at(&mut self, n: usize, version: u64) {
        let old = &mut self.packages[n];
        let mut contents = std::mem::take(&mut old.contents);
        let bytes = format!("{} {version}", old.name).into_bytes();
        contents[1] = (Digest::of(&bytes), bytes);
        *old = package(old.name.clone(), version, contents);
    }

    /// New versions of `count` packages, others each time.
    pub fn update_some(&mut self, version: u64, count: usize) {
        for n in 0..count {
            let at = (version as usize * count + n) % self.packages.len();
            self.update_at(at, version);
        }
        self.index();
    }

    pub fn some(&self, version: u64, count: usize) -> Vec<Incoming> {
        let at = |n| (version as usize * count + n) % self.packages.len();
        (0..count).map(|n| incoming(&self.packages[at(n)])).collect()
    }

    pub fn one(&self) -> Incoming {
        incoming(&self.packages[0])
    }

    pub fn incoming(&self) -> Vec<Incoming> {
        self.packages.iter().map(incoming).collect()
    }

    /// Digests of the first packages' manifests.
    pub fn digests(&self, count: usize) -> Vec<Digest> {
        self.packages.iter().take(count).map(|p| p.digest).collect()
    }
}

fn incoming(package: &Package) -> Incoming {
    let (manifest, accounts) = (package.manifest.clone(), Accounts::default());
    Incoming { manifest, accounts, reason: Reason::Asked }
}

fn package(name: String, version: u64, contents: Vec<(Digest, Vec<u8>)>) -> Package {
    let file = |path: String, kind, mode| PackageFile {
        path: path.parse().expect("a path"),
        kind,
        mode,
        user: Account::ROOT,
        group: Account::ROOT,
        xattrs: vec![],
    };
    let folders = ["etc", "usr", "usr/bin", "usr/lib", "usr/share"];
    let mut files: BTreeMap<String, PackageFile> = BTreeMap::new();
    let own = [format!("usr/lib/{name}"), format!("usr/share/{name}")];
    for path in folders.iter().map(ToString::to_string).chain(own) {
        files.insert(path.clone(), file(path, FileKind::Directory, 0o755));
    }
    let mut config = Vec::new();
    for (n, (digest, bytes)) in contents.iter().enumerate() {
        let (path, mode) = match n {
            0 => (format!("etc/{name}.conf"), 0o644),
            1..10 => (format!("usr/bin/{name}-{n}"), 0o755),
            10..60 => (format!("usr/lib/{name}/f{n}"), 0o755),
            _ => (format!("usr/share/{name}/f{n}"), 0o644),
        };
        if n == 0 && name.ends_with('0') {
            config.push(path.parse().expect("a path"));
        }
        let kind = FileKind::Regular { size: bytes.len() as u64, digest: *digest };
        files.insert(path.clone(), file(path, kind, mode));
    }
    let mut files: Vec<PackageFile> = files.into_values().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let fields = PackageFields {
        name: name.parse().expect("a name"),
        version: format!("{version}-1").parse().expect("a version"),
        arch: "x86_64".parse().expect("a machine"),
        description: "made up".to_owned(),
        licence: "MIT".to_owned(),
        origin: Origin {
            recipe: name.parse().expect("a step"),
            task_key: Digest::of(b"key"),
            output: Digest::of(b"output"),
        },
        dependencies: vec![],
        groups: vec![],
        provides: vec![],
        conflicts: vec![],
        replaces: vec![],
        config,
        actions: Actions::default(),
        files,
    };
    let manifest = PackageManifest::new(fields).expect("a valid package");
    let bytes = postcard::to_extend(&manifest, Vec::new()).expect("bytes");
    let digest = Digest::of(&bytes);
    Package { name, contents, manifest, bytes, digest }
}

impl ContentSource for Universe {
    fn manifest(&self, package: &Digest) -> io::Result<Vec<u8>> {
        let at = self.by_digest.get(package).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.packages[*at].bytes.clone())
    }

    fn contents(
        &self,
        package: &Digest,
        wanted: &dyn Fn(&Digest) -> bool,
        sink: &mut Sink<'_>,
    ) -> io::Result<()> {
        let at = self.by_digest.get(package).ok_or(io::ErrorKind::NotFound)?;
        for (digest, bytes) in &self.packages[*at].contents {
            if wanted(digest) {
                sink(digest, &mut bytes.as_slice() as &mut dyn Read)?;
            }
        }
        Ok(())
    }
}
