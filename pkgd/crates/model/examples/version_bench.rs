//! Orders 63,000 versions and checks a requirement against each: what a look for updates costs.
//!
//! ```text
//! cargo run --release -p minos-model --example version_bench [-- --json]
//! ```
//! With `--json` it prints the look for updates alone, the median of 21, as `tests/bench --packages` wants it.

use minos_model::{Requirement, Version};
use nix::time::{ClockId, clock_gettime};

type Failure = Box<dyn std::error::Error>;

const COUNT: u32 = 63_000;

fn main() -> Result<(), Failure> {
    let text = |i: u32| match i % 4 {
        0 => format!("{}.{}.{}-{}", i % 7, i % 101, i % 1009, 1 + i % 5),
        1 => format!("1:{}.{}~rc{}", i % 13, i % 97, i % 11),
        2 => format!("2024{:04}+git{}", i % 1231, i),
        _ => format!("{}.{}{}", i % 31, i % 53, char::from(b'a' + (i % 26) as u8)),
    };
    let texts: Vec<String> = (0..COUNT).map(text).collect();
    let (parse, mut versions) = timed(|| {
        texts
            .iter()
            .map(|text| text.parse().map_err(Failure::from))
            .collect::<Result<Vec<Version>, _>>()
    })?;
    let newer: Vec<Version> = versions.iter().rev().cloned().collect();
    let (compare, updates) =
        timed(|| Ok(versions.iter().zip(&newer).filter(|(old, new)| new > old).count()))?;
    if std::env::args().any(|word| word == "--json") {
        return look_for_updates(&versions, &newer);
    }
    let (sort, ()) = timed(|| {
        versions.sort();
        Ok(())
    })?;
    let requirement: Requirement = "any>=1.2,<1:3,!=2".parse()?;
    let met = |version: &&Version| requirement.constraint.matches(version);
    let (matches, met) = timed(|| Ok(versions.iter().filter(met).count()))?;
    println!(
        "{COUNT} versions, CPU ms: parse {parse:.2}, compare each with another {compare:.2} ({updates} updates),"
    );
    println!("sort {sort:.2}, check against '{requirement}' {matches:.2} ({met} meet it)");
    Ok(())
}

/// Compares each version with another, again and again.
fn look_for_updates(versions: &[Version], newer: &[Version]) -> Result<(), Failure> {
    let mut times = Vec::new();
    for _ in 0..21 {
        let count = || Ok(versions.iter().zip(newer).filter(|(old, new)| new > old).count());
        let (time, count) = timed(count)?;
        std::hint::black_box(count);
        times.push(time);
    }
    times.sort_by(f64::total_cmp);
    // On one thread and without waiting, one is the other.
    let median = times.get(10).copied().unwrap_or_default();
    println!("{{\"work\":\"versions\",\"wall_ms\":{median:.4},\"cpu_ms\":{median:.4}}}");
    Ok(())
}

/// CPU milliseconds of `work` on this thread, and what it gives.
fn timed<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<(f64, T), Failure> {
    let before = cpu()?;
    let result = work()?;
    Ok(((cpu()? - before) * 1e3, result))
}

/// CPU seconds of this thread.
fn cpu() -> Result<f64, Failure> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}
