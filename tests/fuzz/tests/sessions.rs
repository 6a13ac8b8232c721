//! Every reader of bytes against its seeds in `corpus/`, changed at random but always in the same way.
//!
//! Short by default. `MINOS_FUZZ_FACTOR=500` makes as many times more rounds, `MINOS_FUZZ_SECONDS=600` goes on for so
//! long instead (for each target), `MINOS_FUZZ_SEED=7` begins elsewhere. What a target does not bear is kept in
//! `target/fuzz/`; `MINOS_FUZZ_KEEP=1` keeps every input before it is tried, for what kills the program. A target is
//! chosen as any test is: `cargo test -p minos-fuzz index`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use minos_fuzz::mutate::{Random, mutate};
use minos_fuzz::sys::{Counting, measured};
use minos_fuzz::{TARGETS, Target};
use minos_model::Digest;

#[global_allocator]
static HEAP: Counting = Counting;

/// Bytes of the heap for each byte of the input: a path of one byte becomes an entry of about 200.
const FACTOR: usize = 64;
/// Bytes of the heap that any input may take.
const BASE: usize = 1 << 20;
/// The most seeds of a session: inputs that were taken become seeds themselves.
const POOL: usize = 256;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect(variable))
}

fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let folder = corpus(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no seeds in {}", folder.display());
    files.iter().map(|path| fs::read(path).expect("reads")).collect()
}

/// Puts an input where it is found again.
fn keep(target: &Target, bytes: &[u8], name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fuzz");
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(format!("{}-{name}", target.name));
    fs::write(&path, bytes).expect("writes");
    path
}

/// One input; whether it was taken.
fn attempt(target: &Target, bytes: &[u8], story: &str) -> bool {
    if std::env::var_os("MINOS_FUZZ_KEEP").is_some() {
        keep(target, bytes, "current");
    }
    let (result, taken) = measured(|| catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))));
    let limit = FACTOR * bytes.len() + BASE + target.extra;
    let problem = match &result {
        Err(_) => "panics".to_owned(),
        Ok(_) if taken.largest > limit => format!("takes a piece of {} bytes", taken.largest),
        Ok(_) if taken.peak > 2 * limit => format!("holds {} bytes", taken.peak),
        Ok(taken) => return *taken,
    };
    let path = keep(target, bytes, &Digest::of(bytes).short());
    panic!("{} {problem} on {} bytes ({story}): {}", target.name, bytes.len(), path.display());
}

/// How long a session lasts.
enum Length {
    Rounds(usize),
    Time(Duration),
}

impl Length {
    fn of(target: &Target) -> Self {
        let factor = number("MINOS_FUZZ_FACTOR").unwrap_or(1);
        match number("MINOS_FUZZ_SECONDS") {
            Some(seconds) => Self::Time(Duration::from_secs(seconds)),
            None => Self::Rounds(target.rounds * usize::try_from(factor).expect("a factor")),
        }
    }

    fn is_over(&self, rounds: usize, since: Instant) -> bool {
        match self {
            Self::Rounds(most) => rounds >= *most,
            Self::Time(most) => since.elapsed() >= *most,
        }
    }
}

fn session(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let mut pool = seeds(target);
    for (index, seed) in pool.iter().enumerate() {
        assert!(
            attempt(target, seed, &format!("seed {index}")),
            "seed {index} of {name} is refused"
        );
    }
    let first = number("MINOS_FUZZ_SEED").unwrap_or(0x6d70_6b21);
    let (mut random, length, since) = (Random::new(first), Length::of(target), Instant::now());
    let (mut rounds, mut taken) = (0, 0);
    while !length.is_over(rounds, since) {
        let (seed, other) = (random.below(pool.len()), random.below(pool.len()));
        let bytes = mutate(&mut random, &target.shape, &pool[seed], &pool[other]);
        if attempt(target, &bytes, &format!("MINOS_FUZZ_SEED={first}, round {rounds}")) {
            taken += 1;
            if pool.len() < POOL && pool.iter().all(|seed| *seed != bytes) && bytes.len() < 1 << 14
            {
                pool.push(bytes);
            }
        }
        rounds += 1;
    }
    println!("{name}: {rounds} rounds, {taken} taken, in {:?}", since.elapsed());
    assert!(
        taken > 0 && taken < rounds,
        "{name}: {taken} of {rounds} taken: the changes reach one side only"
    );
}

/// One test for each target, and one that all targets have a test.
macro_rules! sessions {
    ($($name:ident)*) => {
        $(#[test] fn $name() { session(stringify!($name)); })*

        #[test]
        fn every_target_is_run() {
            let run = [$(stringify!($name)),*];
            let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(run.to_vec(), all);
        }
    };
}

sessions! {
    header signatures manifest frames package repository key scan version requirement output_manifest difference frame plan
    index recipe suite lock recipe_index
}

/// The heap is really counted: a test that measures nothing passes always.
#[test]
fn what_is_taken_is_seen() {
    let (length, taken) = measured(|| vec![1_u8; 3 << 20].len());
    assert_eq!((length, taken.largest), (3 << 20, 3 << 20));
    assert!(taken.peak >= 3 << 20);
    let (_, taken) = measured(|| (0..10_u8).map(|n| vec![n; 1000].len()).sum::<usize>());
    assert!(taken.peak < 3000, "pieces that are given back do not add up: {}", taken.peak);
}

/// The most that a manifest can make of its bytes: every list as long as it may be, of the shortest entries there are.
/// Nothing in it is sorted, which is only seen once all of it has been read.
#[test]
fn the_shortest_entries_of_the_longest_lists_stay_in_bounds() {
    let target = TARGETS.iter().find(|target| target.name == "manifest").expect("a target");
    let good = fs::read(corpus(target).join("empty.manifest")).expect("reads");
    // From the back: files; services, sysctl, links, directories, users and groups; config, replaces, conflicts,
    // provides, groups, dependencies. All are empty: a byte each.
    let lists: [(usize, &[u8], usize); 4] = [
        (13, b"\0\x01a\0", 65_536), // dependencies: runtime, `a`, no condition
        (10, b"\x01a", 65_536),     // conflicts: `a`
        (11, b"\x05cap:a", 65_536), // provides: `cap:a`
        (1, b"\x01a\0\0\0\0\0\0\0", 1 << 20), // files: a directory `a`
    ];
    for (from_end, entry, count) in lists {
        let at = good.len() - from_end;
        assert_eq!(good[at], 0, "the list is empty");
        let length: Vec<u8> = postcard::to_allocvec(&count).expect("a varint");
        let bytes = [&good[..at], &length, &entry.repeat(count), &good[at + 1..]].concat();
        assert!(!attempt(target, &bytes, "a long list"), "it is not sorted");
        // Without the limits of the lists it would be refused as well, but only by then.
        let one = [&good[..at], &[1], entry, &good[at + 1..]].concat();
        assert!(attempt(target, &one, "one entry"), "the entry {entry:?} is a good one");
    }
}

/// What a target did not bear once is a seed for ever.
#[test]
fn seeds_have_readable_names() {
    for target in TARGETS {
        let folder = corpus(target);
        for entry in fs::read_dir(&folder).expect("seeds").flatten() {
            let name = entry.file_name().into_string().expect("text");
            let plain = name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b));
            assert!(plain, "{}: {name}", folder.display());
        }
    }
}
