//! Universes of a chosen size, for measurements and tests: deterministic by their seed.
//!
//! The shape is that of Debian 12 main, as counted there: 63,436 packages, 274,780 dependencies, 37,508 capabilities.
//! A package depends on packages that are more basic than itself; how often one is depended on falls as a power of its
//! place, so that a few are needed by nearly everything.

use std::collections::HashSet;

use crate::index::{Entry, Need, Provide, Term};

/// Packages of a universe of scale 1.
pub const PACKAGES: usize = 63_436;
/// Dependencies of a universe of scale 1.
pub const DEPENDENCIES: usize = 274_780;
/// Capabilities of a universe of scale 1.
pub const CAPABILITIES: usize = 37_508;
/// The package that brings about 1,200 others.
pub const LARGE: &str = "meta-large";
/// A package that cannot be installed together with [`LARGE`].
pub const LEGACY: &str = "legacy-suite";

/// A package whose newest version needs both, so that the search has to go back to the one before.
pub const STEPPED: &str = "meta-stepped";

const WORDS: [&str; 24] = [
    "lib", "python3", "perl", "data", "dev", "core", "tools", "gtk", "qt", "net", "media", "font",
    "doc", "server", "client", "editor", "math", "game", "audio", "video", "crypto", "image",
    "parser", "compress",
];

/// Pseudo-random numbers (SplitMix64, by S. Vigna), so that no library's version can change a universe.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `0..limit`.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// In `0..1`.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn word(&mut self) -> &'static str {
        WORDS.get(self.below(WORDS.len())).copied().unwrap_or_default()
    }
}

/// The packages of a universe of `scale` times the size of Debian 12 main.
pub fn universe(scale: f64, seed: u64) -> Vec<Entry> {
    let count = ((PACKAGES as f64 * scale) as usize).max(100);
    let mut random = Random(seed);
    let mut entries: Vec<Entry> = Vec::with_capacity(count + 8);
    for place in 0..count {
        let entry = package(place, &entries, &mut random);
        entries.push(entry);
    }
    let per_package = CAPABILITIES as f64 / PACKAGES as f64;
    for _ in 0..(count as f64 * per_package) as usize {
        let place = random.below(count);
        provide(&mut entries, place, &mut random);
    }
    let large = large(&entries, &mut random);
    legacy(&mut entries);
    entries.push(large);
    for (version, needs) in [("1", &[LARGE][..]), ("2", &[LARGE, LEGACY][..])] {
        let mut entry = Entry::new(STEPPED, small(version));
        entry.needs = needs.iter().map(|name| Need::one(Term::any(name))).collect();
        entries.push(entry);
    }
    entries
}

fn package(place: usize, before: &[Entry], random: &mut Random) -> Entry {
    let name = format!("{}-{}-{place}", random.word(), random.word());
    let text = format!("{}.{}.{}", 1 + random.below(9), random.below(30), random.below(9));
    let mut entry = Entry::new(&name, small(&text));
    entry.description = format!(
        "{} for {} and {} ({} files)",
        random.word(),
        random.word(),
        random.word(),
        place % 977
    );
    entry.digest[..8].copy_from_slice(&(place as u64 + 1).to_le_bytes());
    entry.size = 1000 + random.next() % 4_000_000;
    entry.installed_size = entry.size * 3;
    // The mean is what DEPENDENCIES and PACKAGES say; the number spreads as 2 dice do.
    let mean = DEPENDENCIES as f64 / PACKAGES as f64;
    let needs = ((random.fraction() + random.fraction()) * mean + 0.5) as usize;
    let mut seen = HashSet::new();
    // The most basic ones are often drawn twice.
    for _ in 0..needs * 8 {
        let target = basic(before, random);
        if entry.needs.len() < needs.min(before.len()) && seen.insert(target) {
            entry.needs.push(need(before, target, random));
        }
    }
    entry
}

/// A place among the packages before: small ones often.
fn basic(before: &[Entry], random: &mut Random) -> usize {
    let at = random.fraction().powi(6) * before.len() as f64;
    (at as usize).min(before.len().saturating_sub(1))
}

fn need(before: &[Entry], target: usize, random: &mut Random) -> Need {
    let mut term = before.get(target).map_or_else(|| Term::any("nothing"), |e| Term::any(&e.name));
    if random.chance(40)
        && let Some(found) = before.get(target)
    {
        term.constraint = format!(">={}", found.version).parse().unwrap_or_default();
    }
    let mut any = vec![term];
    if random.chance(6) {
        let other = basic(before, random);
        any.extend(before.get(other).filter(|_| other != target).map(|e| Term::any(&e.name)));
    }
    Need { any, when: None }
}

fn provide(entries: &mut [Entry], place: usize, random: &mut Random) {
    let version = random.chance(30).then(|| small(&format!("{}.0", 1 + place % 5)));
    let target = format!("{}-abi-{}", random.word(), place % 20_000);
    if let Some(entry) = entries.get_mut(place) {
        entry.provides.push(Provide { target, version, exclusive: false });
    }
}

/// The versions made here are digits and dots.
fn small(text: &str) -> minos_model::Version {
    match text.parse() {
        Ok(version) => version,
        Err(_) => unreachable!("'{text}' is made of digits and dots"),
    }
}

/// A package that needs packages until they bring about 1,200, or a third of a small universe.
fn large(entries: &[Entry], random: &mut Random) -> Entry {
    let places: std::collections::HashMap<&str, usize> =
        entries.iter().enumerate().map(|(i, e)| (e.name.as_str(), i)).collect();
    let goal = 1200.min(entries.len() / 3);
    let mut reached: HashSet<usize> = HashSet::new();
    let mut entry = Entry::new(LARGE, small("1.0"));
    entry.description = "everything for a desktop".to_owned();
    for _ in 0..entries.len() {
        if reached.len() >= goal {
            break;
        }
        let place = random.below(entries.len());
        let Some(chosen) = entries.get(place) else { continue };
        entry.needs.push(Need::one(Term::any(&chosen.name)));
        let mut queue = vec![place];
        while let Some(next) = queue.pop() {
            if reached.insert(next)
                && let Some(next) = entries.get(next)
            {
                let first = next.needs.iter().filter_map(|need| need.any.first());
                queue.extend(first.filter_map(|term| places.get(term.target.as_str()).copied()));
            }
        }
    }
    entry
}

/// A chain of packages at whose end an old version of the most basic package is needed, which the others do not bear.
fn legacy(entries: &mut Vec<Entry>) {
    let Some(basic) = entries.first().cloned() else { return };
    let mut old = Entry::new(&basic.name, small("0.9"));
    old.digest = [9; 32];
    let bound: minos_model::Constraint = "<1".parse().unwrap_or_default();
    let newest: minos_model::Constraint = ">=1".parse().unwrap_or_default();
    for entry in entries.iter_mut().skip(1) {
        for term in
            entry.needs.iter_mut().flat_map(|n| &mut n.any).filter(|t| t.target == basic.name)
        {
            term.constraint = newest.clone();
        }
    }
    let names = [LEGACY, "legacy-shell", "legacy-toolkit", "legacy-runtime"];
    for (name, next) in names.iter().zip(names.iter().skip(1)) {
        let mut entry = Entry::new(name, small("1.0"));
        entry.needs.push(Need::one(Term::any(next)));
        entries.push(entry);
    }
    let mut last = Entry::new("legacy-runtime", small("1.0"));
    last.needs.push(Need::one(Term { target: basic.name.clone(), constraint: bound }));
    entries.push(last);
    entries.push(old);
}
