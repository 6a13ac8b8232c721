//! Takes the contents of 100 packages (20,000 files, some 270 MB) out: in this process, and by a worker. Figures of
//! docs/decisions/0019.
//!
//! ```text
//! cargo run --release -p minos-unpack --example unpack_bench [ROUNDS]
//! ```
//! Every content is hashed and written nowhere: what the store does with it costs the same both ways. CPU seconds are
//! those of this process and of its workers, their start included.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use minos_model::package::{
    Account, FileKind, Origin, PackageFields, PackageFile, PackageManifest, PackagePath,
};
use minos_model::{Digest, Hasher};
use minos_package::{Options, Policy, Reader, SecretKey, TrustStore, write};
use minos_store::ContentSource as _;
use minos_unpack::Unpacker;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

type Failure = Box<dyn std::error::Error>;

const PACKAGES: u64 = 100;
const FILES: u64 = 200;
/// The store's buffer.
const CHUNK: usize = 128 << 10;

fn main() -> ExitCode {
    minos_unpack::run_if_worker();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unpack_bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let rounds = std::env::args().nth(1).map_or(Ok(5), |n| n.parse())?;
    let folder = std::env::temp_dir().join(format!("unpack_bench.{}", std::process::id()));
    fs::create_dir(&folder)?;
    let measured = measure(&folder, rounds);
    fs::remove_dir_all(&folder)?;
    measured
}

fn measure(folder: &Path, rounds: usize) -> Result<(), Failure> {
    let key = SecretKey::from_seed(&[1; 32], "bench")?;
    let mut trust = TrustStore::default();
    trust.trust(key.public().clone())?;
    let keys = [key];
    let mut files = HashMap::new();
    let mut random = Random(0x6d69_6e6f_7321);
    let mut raw = 0;
    for number in 0..PACKAGES {
        let path = folder.join(format!("{number}.mpk"));
        let (id, bytes) = pack(number, &mut random, &keys, &path)?;
        files.insert(id, path);
        raw += bytes;
    }
    println!("{PACKAGES} packages, {} files, {} MB", PACKAGES * FILES, raw / 1_000_000);
    println!("{:>10} {:>8} {:>8}", "", "CPU s", "wall s");
    let (mut within, mut apart) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        within.push(timed(|| in_process(&files, &trust))?);
        apart.push(timed(|| by_worker(&files, &trust))?);
    }
    for (name, list) in [("in process", &mut within), ("by worker", &mut apart)] {
        list.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (cpu, wall) = list[list.len() / 2];
        println!("{name:>10} {cpu:>8.3} {wall:>8.3}  (median of {rounds})");
    }
    Ok(())
}

fn in_process(files: &HashMap<Digest, PathBuf>, trust: &TrustStore) -> Result<u64, Failure> {
    let (mut hashed, mut buffer) = (0, vec![0; CHUNK]);
    for path in files.values() {
        let policy = Policy::Signed { trust, threshold: 1 };
        let mut reader = Reader::open(File::open(path)?, &policy)?;
        let mut each = |digest: Digest, from: &mut dyn Read| {
            hashed += hash(&digest, from, &mut buffer)?;
            Ok(())
        };
        reader.for_each_unique_unhashed(&mut |_| false, &mut each)?;
    }
    Ok(hashed)
}

fn by_worker(files: &HashMap<Digest, PathBuf>, trust: &TrustStore) -> Result<u64, Failure> {
    let (mut hashed, mut buffer) = (0, vec![0; CHUNK]);
    let unpacker = Unpacker::new(files.clone(), trust.clone(), 1);
    for package in files.keys() {
        let mut sink = |digest: &Digest, from: &mut dyn Read| {
            hashed += hash(digest, from, &mut buffer)?;
            Ok(())
        };
        unpacker.contents(package, &|_| true, &mut sink)?;
    }
    Ok(hashed)
}

fn hash(digest: &Digest, from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<u64> {
    let (mut hasher, mut length) = (Hasher::new(), 0);
    loop {
        let count = from.read(buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        length += count as u64;
    }
    if hasher.finish() == *digest { Ok(length) } else { Err(io::Error::other("another hash")) }
}

/// CPU and wall seconds.
fn timed(act: impl FnOnce() -> Result<u64, Failure>) -> Result<(f64, f64), Failure> {
    let (start, before) = (Instant::now(), cpu()?);
    act()?;
    Ok((cpu()? - before, start.elapsed().as_secs_f64()))
}

fn cpu() -> Result<f64, Failure> {
    let mut sum = 0.0;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who)?;
        let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        sum += seconds(usage.user_time()) + seconds(usage.system_time());
    }
    Ok(sum)
}

fn pack(
    number: u64,
    random: &mut Random,
    keys: &[SecretKey],
    path: &Path,
) -> Result<(Digest, u64), Failure> {
    let contents: Vec<Vec<u8>> = (0..FILES).map(|_| random.content()).collect();
    let files = contents.iter().enumerate().map(|(n, content)| {
        let size = content.len() as u64;
        Ok(PackageFile {
            path: PackagePath::new(format!("f{number:03}-{n:03}").into())?,
            kind: FileKind::Regular { size, digest: Digest::of(content) },
            mode: 0o644,
            user: Account::ROOT,
            group: Account::ROOT,
            xattrs: Vec::new(),
        })
    });
    let digest = Digest::of(b"bench");
    let manifest = PackageManifest::new(PackageFields {
        description: "Made up".to_owned(),
        licence: "MIT".to_owned(),
        files: files.collect::<Result<_, Failure>>()?,
        ..PackageFields::bare(
            format!("p{number:03}").parse()?,
            "1.0".parse()?,
            "noarch".parse()?,
            Origin { recipe: "bench".parse()?, task_key: digest, output: digest },
        )
    })?;
    let mut next = contents.iter();
    let mut source = |_: &PackageFile| -> io::Result<Box<dyn Read>> {
        let content = next.next().ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Box::new(Cursor::new(content.clone())))
    };
    let mut out = Cursor::new(Vec::new());
    write(&manifest, &mut source, keys, &Options::default(), &mut out)?;
    fs::write(path, out.get_ref())?;
    let id = Reader::open(out, &Policy::Unverified)?.id();
    Ok((id, contents.iter().map(|content| content.len() as u64).sum()))
}

/// SplitMix64, so that the packages are the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Many small ones, few large: 13.5 KB on average, of words that compress about 3:1.
    fn content(&mut self) -> Vec<u8> {
        let scale = self.next() % 11;
        let length = (64 + self.next() % ((64 << scale) * 9 / 4) + self.next() % 600) as usize;
        let mut out = Vec::with_capacity(length + 16);
        while out.len() < length {
            let word = Random(self.next() % 4096).next().to_le_bytes();
            out.extend_from_slice(&word[..3 + (word[0] % 5) as usize]);
        }
        out.truncate(length);
        out
    }
}
