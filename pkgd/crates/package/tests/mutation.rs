//! Fuzzing without a fuzzer: the seed corpus in `tests/corpus/`, changed at random but always in the same way, goes
//! through every parser. Nothing may panic, take much memory, or be accepted in a second encoding.
//!
//! `MINOS_FUZZ_ROUNDS=1000000 cargo test --release -p minos-package --test mutation` looks longer.

mod common;

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use common::raw::Raw;
use common::{Tree, check, key, open, pack};
use minos_model::{Capability, Constraint, PackageManifest, Requirement, Version};
use minos_package::header::{HEADER_LEN, Header};
use minos_package::keys::Detached;
use minos_package::{Options, Policy, PublicKey, Reader, SecretKey, index, sign};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn rounds() -> u32 {
    std::env::var("MINOS_FUZZ_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3000)
}

/// The files of the corpus with this ending, sorted by name.
fn seeds(ending: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(corpus()).expect("the corpus").flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    files.sort();
    assert!(!files.is_empty(), "no .{ending} in the corpus");
    files.iter().map(|path| fs::read(path).expect("reads")).collect()
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (limit.max(1) as u64)).expect("below the limit")
    }
}

/// Values that parsers trip over.
const EDGES: [&[u8]; 8] = [
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"../",
    b"\x00\x00\x00\x80",
];

/// One to four changes: a flipped bit, an edge value, a cut, a piece doubled, a piece of another seed.
fn mutate(random: &mut Random, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + random.below(16)).min(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            2 => drop(bytes.drain(at..end)),
            3 => {
                let from = random.below(other.len());
                let to = (from + random.below(32)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            4 => drop(bytes.splice(at..end, EDGES[random.below(EDGES.len())].iter().copied())),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes
}

/// Gives every seed and its mutations to `target`.
fn run(seeds: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    let mut random = Random(0x6d70_6b21);
    seeds.iter().for_each(|seed| target(seed));
    for round in 0..rounds() as usize {
        let seed = &seeds[round % seeds.len()];
        let other = &seeds[random.below(seeds.len())];
        target(&mutate(&mut random, seed, other));
    }
}

#[test]
fn any_package_is_refused_or_read() {
    run(&seeds("mpk"), |bytes| {
        let _ = check(bytes);
    });
}

/// With hashes made right for what was changed: else no change gets beyond the first hash.
#[test]
fn any_parts_with_right_hashes_are_refused_or_read() {
    let split = |bytes: &Vec<u8>| {
        let header =
            Header::parse(bytes[..HEADER_LEN].try_into().expect("long enough")).expect("a package");
        let at = |offset: u64| usize::try_from(offset).expect("small");
        let (manifest, content) = (at(header.manifest_offset()), at(header.content_offset()));
        let index = manifest + at(header.manifest);
        Raw {
            manifest: bytes[manifest..index].to_vec(),
            index: bytes[index..content].to_vec(),
            content: bytes[content..].to_vec(),
            block: None,
        }
    };
    let packages: Vec<Raw> = seeds("mpk").iter().map(split).collect();
    let (mut taken, mut refused) = (0, 0);
    let mut attempt = |raw: Raw| {
        let bytes = raw.bytes();
        match open(&bytes) {
            Err(_) => refused += 1,
            Ok(mut package) => {
                taken += 1;
                assert_eq!(
                    postcard::to_allocvec(package.manifest()).expect("encodes"),
                    raw.manifest
                );
                let _ = package.verify();
            }
        }
    };
    for raw in &packages {
        run(std::slice::from_ref(&raw.manifest), |manifest| {
            attempt(Raw { manifest: manifest.to_vec(), ..raw.clone() })
        });
        run(std::slice::from_ref(&raw.index), |index| {
            attempt(Raw { index: index.to_vec(), ..raw.clone() })
        });
        run(std::slice::from_ref(&raw.content), |content| {
            // One frame whose hash is right and whose bytes are not: zstd sees them.
            let mut other = raw.clone();
            other.frames(&[(content.to_vec(), usize::try_from(raw_length(raw)).expect("small"))]);
            attempt(other);
        });
    }
    assert!(
        taken > 0 && refused > 0,
        "the changes reach both sides: {taken} taken, {refused} refused"
    );
}

fn raw_length(raw: &Raw) -> u64 {
    raw.index
        .chunks(40)
        .map(|r| u64::from(u32::from_le_bytes(r[4..8].try_into().expect("four"))))
        .sum()
}

#[test]
fn any_header_index_and_block_are_refused_or_the_same_again() {
    run(&seeds("mpk"), |bytes| {
        if let Some(first) = bytes.first_chunk::<HEADER_LEN>()
            && let Ok(header) = Header::parse(first)
        {
            assert_eq!(header.to_bytes(), *first);
        }
        let tail = bytes.get(HEADER_LEN..).unwrap_or_default();
        if let Ok(entries) = sign::parse(tail) {
            assert_eq!(sign::to_bytes(&entries), tail);
        }
        let _ = index::parse(tail, 0, 0);
    });
}

#[test]
fn any_key_or_signature_is_refused_or_read() {
    run(&seeds("key"), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(public) = PublicKey::from_file(&text) {
            assert_eq!(PublicKey::from_file(&public.to_file()), Ok(public));
        }
        if let Ok(secret) = SecretKey::from_file(&text) {
            assert!(SecretKey::from_file(&secret.to_minisign()).is_ok());
        }
        if let Ok(signature) = Detached::from_file(&text) {
            assert_eq!(Detached::from_file(&signature.to_file()), Ok(signature));
        }
    });
}

/// Texts of the vocabulary: what is read is written back, and what is written is read as the same.
#[test]
fn any_version_requirement_or_capability_is_refused_or_has_one_text() {
    fn one_text<T: std::str::FromStr + ToString + PartialEq>(text: &str) {
        if let Ok(value) = text.parse::<T>() {
            let canonical = value.to_string();
            assert!(
                canonical.parse::<T>().is_ok_and(|again| again == value),
                "{text:?} {canonical:?}"
            );
        }
    }
    let lines = seeds("txt").concat();
    let lines: Vec<Vec<u8>> = lines.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    run(&lines, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        one_text::<Version>(&text);
        one_text::<Requirement>(&text);
        one_text::<Constraint>(&text);
        one_text::<Capability>(&text);
    });
}

/// Files of a tree that the scanner looks into.
#[test]
fn any_file_is_scanned() {
    for (ending, at) in [
        ("elf", "usr/lib/libx.so"),
        ("pc", "usr/lib/pkgconfig/x.pc"),
        ("sh", "usr/bin/x"),
        ("metadata", "usr/lib/python3.12/site-packages/x.dist-info/METADATA"),
    ] {
        run(&seeds(ending), |bytes| {
            let tree = Tree::default().with(at, bytes);
            let mut files = tree.files();
            files.iter_mut().filter(|f| f.content().is_some()).for_each(|f| f.mode = 0o755);
            minos_package::scan::scan(&files, &mut |file| tree.open(file))
                .expect("memory can be read");
        });
    }
}

/// The packages of the corpus are what is written today: a change of the format shows here.
/// `MINOS_BLESS=1` writes them anew.
#[test]
fn the_corpus_is_of_this_format() {
    let small = common::sample().pack(&[key(1), key(2)], &Options { level: 3, frame: 4096 });
    let empty = pack(
        &PackageManifest::new(common::empty()).expect("a package"),
        &Tree::default(),
        &[],
        &Options::default(),
    );
    let full =
        pack(&common::full(), &common::sample(), &[key(1)], &Options { level: 1, frame: 1 << 20 });
    for (name, bytes) in [("small.mpk", small), ("empty.mpk", empty), ("full.mpk", full)] {
        let path = corpus().join(name);
        if std::env::var_os("MINOS_BLESS").is_some() {
            fs::write(&path, &bytes).expect("writes");
        }
        let old = fs::read(&path).expect("the corpus");
        Reader::open(Cursor::new(&old), &Policy::Unverified)
            .expect("opens")
            .verify()
            .expect("verifies");
        // zstd may compress otherwise in another version; everything that is ours is the same.
        let content = |bytes: &[u8]| open(bytes).expect("opens").header().manifest_digest;
        assert_eq!(content(&old), content(&bytes), "{name}");
    }
}
