//! Packs, verifies and extracts 100 packages of 20,000 files and 270 MB: figures of docs/decisions/0014.
//!
//! ```text
//! cargo run --release -p minos-package --example mpk_bench [-- --json] [LEVEL FRAME_KIB]...
//! ```
//! Everything is in memory and one thread; the trees follow from a fixed seed. CPU seconds are those of the
//! thread.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Cursor, Read};
use std::process::ExitCode;

use minos_model::Digest;
use minos_model::package::{
    Account, FileKind, Origin, PackageFields, PackageFile, PackageManifest, PackagePath,
};
use minos_package::{Options, Policy, Reader, SecretKey, TrustStore, write};
use nix::time::{ClockId, clock_gettime};

type Failure = Box<dyn std::error::Error>;

const PACKAGES: usize = 100;
const FILES: usize = 200;
/// Changed files of the update, of 20,000.
const CHANGED: usize = 600;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mpk_bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|a| a == "--json");
    let numbers: Vec<i32> =
        arguments.iter().filter(|a| *a != "--json").map(|a| a.parse()).collect::<Result<_, _>>()?;
    let mut settings: Vec<Options> = numbers
        .chunks_exact(2)
        .map(|pair| Ok(Options { level: pair[0], frame: u32::try_from(pair[1])? << 10 }))
        .collect::<Result<_, Failure>>()?;
    if settings.is_empty() {
        settings.push(Options::default());
    }
    let mut random = Random(0x6d69_6e6f_7321);
    let words = vocabulary(&mut random);
    let trees: Vec<Tree> = (0..PACKAGES)
        .map(|number| Tree::new(number, &mut random, &words))
        .collect::<Result<_, _>>()?;
    let raw: u64 = trees.iter().map(|tree| tree.manifest.installed_size()).sum();
    if !json {
        println!("{PACKAGES} packages, {} files, {:.1} MB", PACKAGES * FILES, mb(raw));
        println!(
            "{:>5} {:>9} {:>8} {:>7} {:>7} {:>7} {:>7} {:>9} {:>9}  (CPU s)",
            "level",
            "frame KiB",
            "MB",
            "pack",
            "open",
            "verify",
            "extract",
            "600 apart",
            "600 close"
        );
    }
    for options in settings {
        let row = Row::measure(&trees, &options)?;
        if json { row.json(&options, raw) } else { row.print(&options) }
    }
    if !json {
        println!(
            "peak memory {} (all trees and packages are in memory)",
            status("VmHWM:").unwrap_or_default()
        );
    }
    Ok(())
}

struct Row {
    packed: u64,
    pack: f64,
    open: f64,
    verify: f64,
    extract: f64,
    apart: f64,
    close: f64,
}

impl Row {
    fn measure(trees: &[Tree], options: &Options) -> Result<Self, Failure> {
        let key = SecretKey::from_seed(&[1; 32], "bench")?;
        let mut trust = TrustStore::default();
        trust.trust(key.public().clone())?;
        let policy = Policy::Signed { trust: &trust, threshold: 1 };
        let keys = [key];
        let (pack, packages) = timed(|| {
            trees.iter().map(|tree| tree.pack(&keys, options)).collect::<Result<Vec<_>, _>>()
        })?;
        let (open, ()) = timed(|| each(&packages, &policy, |_, _| Ok(())))?;
        let (verify, ()) = timed(|| {
            each(&packages, &policy, |package, _| package.verify().map(drop).map_err(Failure::from))
        })?;
        let (extract, ()) =
            timed(|| each(&packages, &policy, |package, _| give_all(package, &|_| true)))?;
        // One file in 33 of every package, or all files of every 33rd package.
        let apart = changed(trees, |_, file| file % (PACKAGES * FILES / CHANGED) == 0);
        let close = changed(trees, |package, _| package % (PACKAGES * FILES / CHANGED) == 0);
        let update = |set: &HashSet<Digest>| {
            timed(|| {
                each(&packages, &policy, |package, _| {
                    give_all(package, &|digest| set.contains(digest))
                })
            })
        };
        Ok(Self {
            packed: packages.iter().map(|bytes| bytes.len() as u64).sum(),
            pack,
            open,
            verify,
            extract,
            apart: update(&apart)?.0,
            close: update(&close)?.0,
        })
    }

    fn print(&self, options: &Options) {
        let Self { packed, pack, open, verify, extract, apart, close } = self;
        let (level, frame, packed) = (options.level, options.frame >> 10, mb(*packed));
        println!(
            "{level:>5} {frame:>9} {packed:>8.1} {pack:>7.2} {open:>7.3} {verify:>7.3} {extract:>7.3} {apart:>9.3} {close:>9.3}"
        );
    }

    fn json(&self, options: &Options, raw: u64) {
        let Self { packed, pack, open, verify, extract, apart, close } = self;
        let (level, frame) = (options.level, options.frame);
        println!(
            "{{\"raw\":{raw},\"level\":{level},\"frame\":{frame},\"packed\":{packed},\"pack_cpu\":{pack:.4},\
             \"open_cpu\":{open:.4},\"verify_cpu\":{verify:.4},\"extract_cpu\":{extract:.4},\"update_apart_cpu\":{apart:.4},\
             \"update_close_cpu\":{close:.4}}}"
        );
    }
}

type Package<'a> = Reader<Cursor<&'a [u8]>>;

/// Opens (and so verifies) every package and does something with it.
fn each(
    packages: &[Vec<u8>],
    policy: &Policy<'_>,
    mut act: impl FnMut(&mut Package<'_>, usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for (number, bytes) in packages.iter().enumerate() {
        act(&mut Reader::open(Cursor::new(bytes.as_slice()), policy)?, number)?;
    }
    Ok(())
}

/// Reads what is wanted to nowhere, hashed once.
fn give_all(package: &mut Package<'_>, wanted: &dyn Fn(&Digest) -> bool) -> Result<(), Failure> {
    let mut buffer = vec![0; 1 << 17];
    let mut sink = |_: Digest, reader: &mut dyn Read| {
        while reader.read(&mut buffer)? > 0 {}
        Ok(())
    };
    package.for_each_unique(&mut |digest| !wanted(digest), &mut sink)?;
    Ok(())
}

fn changed(trees: &[Tree], is: impl Fn(usize, usize) -> bool) -> HashSet<Digest> {
    let mut set = HashSet::new();
    for (number, tree) in trees.iter().enumerate() {
        let contents = tree.manifest.files.iter().filter_map(PackageFile::content).enumerate();
        set.extend(
            contents
                .filter(|(file, _)| is(number, number * FILES + file))
                .map(|(_, (_, digest))| digest),
        );
    }
    set
}

struct Tree {
    manifest: PackageManifest,
    contents: Vec<Vec<u8>>,
}

impl Tree {
    fn new(number: usize, random: &mut Random, words: &[Vec<u8>]) -> Result<Self, Failure> {
        let folder = format!("usr/share/p{number:03}");
        let mut files: Vec<PackageFile> = Vec::new();
        for path in ["usr", "usr/share", &folder] {
            files.push(entry(path, FileKind::Directory, 0o755)?);
        }
        let mut contents = Vec::new();
        for file in 0..FILES {
            let content = content(random, words);
            let kind =
                FileKind::Regular { size: content.len() as u64, digest: Digest::of(&content) };
            files.push(entry(&format!("{folder}/{file:03}"), kind, 0o644)?);
            contents.push(content);
        }
        let fields = PackageFields { name: format!("p{number:03}").parse()?, files, ..fields()? };
        Ok(Self { manifest: PackageManifest::new(fields)?, contents })
    }

    fn pack(&self, keys: &[SecretKey], options: &Options) -> Result<Vec<u8>, Failure> {
        let mut out = Cursor::new(Vec::new());
        let mut contents = self.contents.iter();
        let mut source = |_: &PackageFile| -> io::Result<Box<dyn Read>> {
            let next = contents.next().ok_or(io::ErrorKind::UnexpectedEof)?;
            Ok(Box::new(Cursor::new(next.clone())))
        };
        write(&self.manifest, &mut source, keys, options, &mut out)?;
        Ok(out.into_inner())
    }
}

fn fields() -> Result<PackageFields, Failure> {
    let digest = Digest::of(b"bench");
    Ok(PackageFields {
        description: "Made up".to_owned(),
        licence: "MIT".to_owned(),
        ..PackageFields::bare(
            "bench".parse()?,
            "1.0".parse()?,
            "noarch".parse()?,
            Origin { recipe: "bench".parse()?, task_key: digest, output: digest },
        )
    })
}

fn entry(path: &str, kind: FileKind, mode: u16) -> Result<PackageFile, Failure> {
    let path = PackagePath::new(path.into())?;
    Ok(PackageFile {
        path,
        kind,
        mode,
        user: Account::ROOT,
        group: Account::ROOT,
        xattrs: Vec::new(),
    })
}

/// Lengths as real trees have them (many small, few large; 13.5 KB on average), content that compresses about 3:1.
fn content(random: &mut Random, words: &[Vec<u8>]) -> Vec<u8> {
    let scale = random.below(11);
    let length = 64 + random.below((64 << scale) * 9 / 4) + random.below(600);
    let mut out = Vec::with_capacity(length);
    while out.len() < length {
        // The product of two draws prefers the front of the vocabulary.
        let word = random.below(words.len()) * random.below(words.len()) / words.len();
        out.extend_from_slice(&words[word]);
        if random.below(12) == 0 {
            out.extend_from_slice(&random.next().to_le_bytes());
        }
    }
    out.truncate(length);
    out
}

fn vocabulary(random: &mut Random) -> Vec<Vec<u8>> {
    let word = |random: &mut Random| {
        (0..3 + random.below(9)).map(|_| random.next().to_le_bytes()[0]).collect()
    };
    (0..4096).map(|_| word(random)).collect()
}

/// xorshift64 (Marsaglia, "Xorshift RNGs", 2003): the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % (limit as u64)).unwrap_or(0)
    }
}

/// CPU seconds of `work` and what it gives.
fn timed<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<(f64, T), Failure> {
    let before = cpu()?;
    let result = work()?;
    Ok((cpu()? - before, result))
}

/// CPU seconds of this thread.
fn cpu() -> Result<f64, Failure> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}

fn status(field: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    text.lines().find_map(|line| line.strip_prefix(field)).map(|value| value.trim().to_owned())
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
