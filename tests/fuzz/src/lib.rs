//! Everything that reads bytes from outside, as functions that any fuzzer can call.
//!
//! Each target takes any bytes, asserts what must hold for whatever it reads, and says whether it took them: what was
//! taken is written again as the same bytes, or, where a text may be written in several ways, reads as the same value.
//! `tests/sessions.rs` drives them with [`mutate`] over the seeds in `corpus/TARGET/`. With cargo-fuzz a target is one
//! line, `fuzz_target!(|bytes: &[u8]| { minos_fuzz::package(bytes); })`; with AFL likewise.

pub mod mutate;
mod outputs;
mod packages;
pub mod parts;
mod plans;
mod recipes;
mod suites;
pub mod sys;
mod texts;
mod wire;

pub use outputs::difference;
pub use packages::{frames, header, key, manifest, package, repository, scan, signatures};
pub use plans::{index, plan};
pub use recipes::{lock, recipe, recipe_index};
pub use suites::suite;
pub use texts::{output_manifest, requirement, version};
pub use wire::frame;

use parts::Shape;

/// One reader of bytes.
#[derive(Debug)]
pub struct Target {
    /// Its name, and that of its folder of seeds.
    pub name: &'static str,
    /// Gives it bytes; whether it took them.
    pub run: fn(&[u8]) -> bool,
    /// How its bytes are taken apart, so that a change reaches beyond the first check sum.
    pub shape: Shape,
    /// Bytes of the heap that it may take beside 64 times its input and 1 MiB, for a stated reason.
    pub extra: usize,
    /// How often it is run in a short session: less where one run takes longer.
    pub rounds: usize,
}

/// Takes what stands in verified parts: one frame of a package, compressed and not.
const ONE_FRAME: usize = 2 * minos_package::index::MAX_FRAME as usize;

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "header", run: header, shape: parts::BYTES, extra: 0, rounds: 20_000 },
    Target { name: "signatures", run: signatures, shape: parts::BYTES, extra: 0, rounds: 20_000 },
    Target { name: "manifest", run: manifest, shape: parts::BYTES, extra: 0, rounds: 8_000 },
    Target { name: "frames", run: frames, shape: parts::BYTES, extra: 0, rounds: 20_000 },
    Target {
        name: "package",
        run: package,
        shape: parts::PACKAGE,
        extra: ONE_FRAME,
        rounds: 6_000,
    },
    Target {
        name: "repository",
        run: repository,
        shape: parts::REPOSITORY,
        extra: 0,
        rounds: 8_000,
    },
    Target { name: "key", run: key, shape: parts::LINES, extra: 0, rounds: 6_000 },
    Target { name: "scan", run: scan, shape: parts::BYTES, extra: 0, rounds: 8_000 },
    Target { name: "version", run: version, shape: parts::LINES, extra: 0, rounds: 6_000 },
    Target { name: "requirement", run: requirement, shape: parts::LINES, extra: 0, rounds: 6_000 },
    Target {
        name: "output_manifest",
        run: output_manifest,
        shape: parts::LINES,
        extra: 0,
        rounds: 10_000,
    },
    Target { name: "difference", run: difference, shape: parts::PAIR, extra: 0, rounds: 8_000 },
    Target { name: "frame", run: frame, shape: parts::FRAMES, extra: 0, rounds: 8_000 },
    Target { name: "plan", run: plan, shape: parts::SUMMED, extra: 0, rounds: 10_000 },
    Target { name: "index", run: index, shape: parts::INDEX, extra: 0, rounds: 4_000 },
    Target { name: "recipe", run: recipe, shape: parts::LINES, extra: 0, rounds: 2_000 },
    Target { name: "suite", run: suite, shape: parts::LINES, extra: 0, rounds: 6_000 },
    Target { name: "lock", run: lock, shape: parts::LINES, extra: 0, rounds: 3_000 },
    Target {
        name: "recipe_index",
        run: recipe_index,
        shape: parts::RECIPE_INDEX,
        extra: 0,
        rounds: 8_000,
    },
];

/// Asserts that a text that was read has one canonical form, and that this form is its own.
fn one_text<T: std::str::FromStr + ToString + PartialEq>(text: &str) -> Option<T> {
    let value = text.parse::<T>().ok()?;
    let canonical = value.to_string();
    let again = canonical.parse::<T>();
    assert!(again.is_ok_and(|again| again == value), "{text:?} became {canonical:?}");
    Some(value)
}
