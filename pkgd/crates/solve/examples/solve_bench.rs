//! Figures of the solver: `cargo run --release -p minos-solve --example solve_bench -- [--json] [--debian FILE]`.
//!
//! For universes of a tenth, one and ten times the size of Debian 12 main, and for a `Packages` file where one is
//! given: cold load with a solve, warm solve, an unsatisfiable request explained, search, queries. Processor time of
//! this process (user + system), so that neighbours do not count; the least and the median of several runs.

use std::error::Error;
use std::fs;
use std::sync::Arc;

use minos_solve::index::{Entry, Repository, Table, build};
use minos_solve::{Ask, Limits, Request, SolveError, System, Universe, Want, import, solve, synth};

type Failure = Box<dyn Error>;

/// Processor time of this thread in microseconds, by the kernel's nanosecond counter.
fn cpu() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds: f64 = text.split(' ').next().and_then(|t| t.parse().ok()).unwrap_or_default();
    nanoseconds / 1000.0
}

/// The highest memory of this process so far, in KiB.
fn peak() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("");
    line.trim().trim_end_matches(" kB").trim().parse().unwrap_or_default()
}

/// Runs `work` several times; the least and the median time in milliseconds, and its last result.
fn time<T>(
    runs: usize,
    mut work: impl FnMut() -> Result<T, Failure>,
) -> Result<(f64, f64, T), Failure> {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..runs {
        let start = cpu();
        last = Some(work()?);
        times.push((cpu() - start) / 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    Ok((times[0], median, last.ok_or("no run")?))
}

struct Report {
    json: bool,
    rows: Vec<serde_json::Value>,
}

impl Report {
    fn row(&mut self, universe: &str, work: &str, (least, median): (f64, f64), what: &str) {
        if !self.json {
            println!("{universe:<14} {work:<34} {least:>9.2} {median:>9.2} ms  {what}");
        }
        self.rows.push(serde_json::json!({
            "universe": universe, "work": work, "least_ms": least, "median_ms": median, "what": what,
        }));
    }
}

fn request(names: &[&str]) -> Request {
    Request::of(names.iter().map(|name| Ask::Install(Want::any(name))))
}

fn empty() -> Result<Table, Failure> {
    Ok(Table::parse(build(&[], Vec::new())?)?)
}

fn measure(
    report: &mut Report,
    label: &str,
    entries: Vec<Entry>,
    targets: &[&str],
) -> Result<(), Failure> {
    let packages = entries.len();
    let main = [Repository { name: "main".to_owned(), priority: 0 }];
    let (least, median, bytes) = time(1, || Ok(build(&main, entries.clone())?))?;
    drop(entries);
    let size = bytes.len();
    report.row(
        label,
        "make the index",
        (least, median),
        &format!("{packages} packages, {size} bytes"),
    );
    let path = std::env::temp_dir().join(format!("minos-solve-bench-{}.index", std::process::id()));
    fs::write(&path, &bytes)?;
    let limits = Limits::default();
    let system = System::default();
    let load = || -> Result<Universe, Failure> {
        Ok(Universe::new(Arc::new(Table::parse(fs::read(&path)?)?), empty()?))
    };
    let (least, median, universe) = time(9, load)?;
    report.row(label, "load", (least, median), "read, check");
    for target in targets {
        let asked = request(&[target]);
        let (least, median, count) =
            time(9, || Ok(solve(&load()?, &system, &asked, &limits)?.packages.len()))?;
        report.row(
            label,
            "cold: load + solve + check",
            (least, median),
            &format!("{target}: {count} packages"),
        );
        let (least, median, answer) = time(9, || Ok(solve(&universe, &system, &asked, &limits)?))?;
        report.row(
            label,
            "warm: solve + check",
            (least, median),
            &format!("{target}: {}", answer.effort),
        );
    }
    queries(report, label, &universe, targets)?;
    fs::remove_file(&path)?;
    Ok(())
}

fn queries(
    report: &mut Report,
    label: &str,
    universe: &Universe,
    targets: &[&str],
) -> Result<(), Failure> {
    for text in ["zstd", "crypto", "qqqq"] {
        let (least, median, count) = time(9, || Ok(universe.search(text).len()))?;
        report.row(label, "search", (least, median), &format!("{text}: {count} found"));
    }
    let name = targets.first().ok_or("no target")?;
    let package = *universe.named(name).last().ok_or("no such package")?;
    let (least, median, count) = time(9, || Ok(universe.depends(package).len()))?;
    report.row(label, "depends", (least, median), &format!("{count} needs"));
    let (least, median, count) = time(9, || Ok(universe.dependants(package).len()))?;
    report.row(label, "rdepends, first and then", (least, median), &format!("{count} dependants"));
    Ok(())
}

/// Explaining what cannot be: the large package together with one that needs what it does not bear.
fn unsatisfiable(report: &mut Report, label: &str, entries: Vec<Entry>) -> Result<(), Failure> {
    let main = [Repository { name: "main".to_owned(), priority: 0 }];
    let universe = Universe::new(Arc::new(Table::parse(build(&main, entries)?)?), empty()?);
    let asked = request(&[synth::LARGE, synth::LEGACY]);
    let limits = Limits::default();
    let (least, median, text) =
        time(9, || match solve(&universe, &System::default(), &asked, &limits) {
            Err(SolveError::Refused(refusal)) => Ok(refusal),
            other => Err(format!("{other:?} is not a refusal").into()),
        })?;
    report.row(label, "refuse, explain, find a way out", (least, median), &text.to_string());
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|a| a == "--json");
    let mut report = Report { json, rows: Vec::new() };
    if !json {
        println!("{:<14} {:<34} {:>9} {:>9}     ", "universe", "work", "least", "median");
    }
    for (label, scale) in [("x0.1", 0.1), ("x1", 1.0), ("x10", 10.0)] {
        let entries = synth::universe(scale, 1);
        measure(&mut report, label, entries.clone(), &[synth::LARGE])?;
        unsatisfiable(&mut report, label, entries)?;
        let memory = peak();
        report.row(label, "peak memory so far", (0.0, 0.0), &format!("{memory} KiB"));
    }
    if let Some(at) = arguments.iter().position(|a| a == "--debian") {
        let text = fs::read_to_string(arguments.get(at + 1).ok_or("--debian takes a file")?)?;
        let import = import::packages(&text, 0);
        let skipped = import.skipped.len();
        measure(&mut report, "debian", import.entries, &["kde-full", "texlive-full", "gnome"])?;
        report.row("debian", "left out by the import", (0.0, 0.0), &format!("{skipped} packages"));
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&report.rows)?);
    }
    Ok(())
}
