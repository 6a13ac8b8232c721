//! Figures of the solver: `cargo run --release -p minos-solve --example solve_bench -- [--json] [--debian FILE]`.
//!
//! For universes of a tenth, one and ten times the size of Debian 12 main, and for a `Packages` file where one is
//! given: cold load with a solve, warm solve, a solve that needs search, an unsatisfiable request explained, search,
//! queries. Processor time of this process (user + system), so that neighbours do not count; the least and the median
//! of several runs. Memory is that of a process of its own that does nothing but load and solve.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use minos_solve::index::{Entry, Package, Repository, Table, build};
use minos_solve::{Ask, Limits, Request, SolveError, System, Universe, Want, import, solve, synth};
use nix::time::{ClockId, clock_gettime};

type Failure = Box<dyn Error>;

const RUNS: usize = 9;

/// Processor time of this process in milliseconds.
fn cpu() -> Result<f64, Failure> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 * 1e3 + time.tv_nsec() as f64 / 1e6)
}

/// Runs `work` several times; the least and the median time in milliseconds, and its last result.
fn time<T>(
    runs: usize,
    mut work: impl FnMut() -> Result<T, Failure>,
) -> Result<((f64, f64), T), Failure> {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..runs {
        let start = cpu()?;
        last = Some(work()?);
        times.push(cpu()? - start);
    }
    times.sort_by(f64::total_cmp);
    Ok(((times[0], times[times.len() / 2]), last.ok_or("no run")?))
}

struct Report {
    json: bool,
    label: String,
    rows: Vec<serde_json::Value>,
}

impl Report {
    fn row(&mut self, work: &str, (least, median): (f64, f64), what: &str) {
        let label = &self.label;
        if !self.json {
            let short: String = what.chars().take(100).collect();
            println!("{label:<8} {work:<32} {least:>9.3} {median:>9.3}  {short}");
        }
        self.rows.push(serde_json::json!({
            "universe": label, "work": work, "least_ms": least, "median_ms": median, "what": what,
        }));
    }
}

fn request(names: &[&str]) -> Request {
    Request::of(names.iter().map(|name| Ask::Install(Want::any(name))))
}

fn load(index: &Path) -> Result<Universe, Failure> {
    let nothing = Table::parse(build(&[], Vec::new())?)?;
    Ok(Universe::new(Arc::new(Table::parse(fs::read(index)?)?), nothing))
}

/// An index file that goes away with its owner.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        // A file left in the temporary folder is no reason to end a measurement badly.
        let _ = fs::remove_file(&self.0);
    }
}

fn make_index(report: &mut Report, entries: Vec<Entry>) -> Result<File, Failure> {
    let packages = entries.len();
    let main = [Repository { name: "main".to_owned(), priority: 0 }];
    let mut entries = Some(entries);
    let (times, bytes) = time(1, || Ok(build(&main, entries.take().unwrap_or_default())?))?;
    report.row("make the index", times, &format!("{packages} packages, {} bytes", bytes.len()));
    let name = format!("minos-solve-bench-{}-{}.index", std::process::id(), report.label);
    let file = File(std::env::temp_dir().join(name));
    fs::write(&file.0, &bytes)?;
    Ok(file)
}

fn measure(report: &mut Report, index: &File, targets: &[&str], used: &str) -> Result<(), Failure> {
    let limits = Limits::default();
    let system = System::default();
    let (times, universe) = time(RUNS, || load(&index.0))?;
    report.row("load", times, "read and check");
    for target in targets {
        let asked = request(&[target]);
        let cold = || Ok(solve(&load(&index.0)?, &system, &asked, &limits)?.packages.len());
        let (times, count) = time(RUNS, cold)?;
        report.row("cold: load, solve, check", times, &format!("{target}: {count} packages"));
        let (times, answer) = time(RUNS, || Ok(solve(&universe, &system, &asked, &limits)?))?;
        report.row("warm: solve, check", times, &format!("{target}: {}", answer.effort));
        let mut child = Command::new(std::env::current_exe()?);
        let memory = child.arg("--memory").arg(&index.0).arg(target).output()?;
        report.row(
            "memory of load and solve",
            (0.0, 0.0),
            String::from_utf8(memory.stdout)?.trim(),
        );
    }
    for text in ["zstd", "crypto", "qqqq"] {
        let (times, count) = time(RUNS, || Ok(universe.search(text).len()))?;
        report.row("search", times, &format!("{text}: {count} found"));
    }
    let package = *universe.named(used).last().ok_or("no such package")?;
    let (times, count) = time(RUNS, || Ok(universe.depends(package).len()))?;
    report.row("depends", times, &format!("{used}: {count}"));
    let (times, count) = time(RUNS, || Ok(universe.dependants(package).len()))?;
    report.row("rdepends", times, &format!("{used}: {count}"));
    Ok(())
}

/// Pairs of packages drawn by lot: the slowest one counts.
fn pairs(report: &mut Report, index: &File) -> Result<(), Failure> {
    let universe = load(&index.0)?;
    let (system, limits) = (System::default(), Limits::default());
    let mut state = 1_u64;
    let mut name = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let package = Package((state >> 33) as u32 % universe.base().len());
        universe.base().symbol(universe.base().name(package))
    };
    let (mut worst, mut text, mut refused, mut unproven) = (0.0_f64, String::new(), 0, 0);
    for _ in 0..200 {
        let pair = [name(), name()];
        let (times, result) = time(1, || Ok(solve(&universe, &system, &request(&pair), &limits)))?;
        match result {
            Ok(_) => {}
            Err(SolveError::Refused(refusal)) => {
                refused += 1;
                unproven += u32::from(!refusal.proof.complete);
            }
            Err(error) => return Err(error.into()),
        }
        if times.0 > worst {
            (worst, text) = (times.0, pair.join(" "));
        }
    }
    let text = format!("{text}; {refused} refused, {unproven} of them without proof");
    report.row("200 random pairs, the slowest", (worst, worst), &text);
    Ok(())
}

/// Every package of the index alone: none may come out wrong, and each refusal needs its proof.
fn every_one(report: &mut Report, index: &File) -> Result<(), Failure> {
    let universe = load(&index.0)?;
    let (system, limits) = (System::default(), Limits::default());
    let base = universe.base();
    let (mut worst, mut refused) = (0.0_f64, Vec::new());
    for number in 0..base.len() {
        let name = base.symbol(base.name(Package(number)));
        let (times, result) =
            time(1, || Ok(solve(&universe, &system, &request(&[name]), &limits)))?;
        worst = worst.max(times.0);
        match result {
            Ok(_) => {}
            Err(SolveError::Refused(refusal)) if refusal.proof.complete => refused.push(name),
            Err(error) => return Err(format!("{name}: {error}").into()),
        }
    }
    let text = format!("{} of {} refused: {}", refused.len(), base.len(), refused.join(" "));
    report.row("every package alone, the slowest", (worst, worst), &text);
    Ok(())
}

/// Requests to a system that has what the large package brings.
fn installed(report: &mut Report, index: &File, entries: Vec<Entry>) -> Result<(), Failure> {
    let universe = load(&index.0)?;
    let limits = Limits::default();
    let answer = solve(&universe, &System::default(), &request(&[synth::LARGE]), &limits)?;
    let label = |entry: &Entry| format!("{} {}", entry.name, entry.version);
    let chosen: HashSet<String> = answer.packages.iter().map(|p| universe.label(*p)).collect();
    let here: Vec<Entry> = entries.into_iter().filter(|e| chosen.contains(&label(e))).collect();
    let here = here.into_iter().map(|entry| Entry { repository: 0, ..entry }).collect();
    let name = [Repository { name: "installed".to_owned(), priority: 0 }];
    let (times, table) = time(RUNS, || Ok(build(&name, Vec::clone(&here))?))?;
    report.row("index of what is installed", times, &format!("{} bytes", table.len()));
    let universe = Universe::new(Arc::new(universe.base().clone()), Table::parse(table)?);
    let system = System { asked: answer.asked, ..System::default() };
    let stepped = request(&[synth::STEPPED]);
    for (work, asked) in
        [("upgrade, nothing newer", Request::of([Ask::Upgrade])), ("install with search", stepped)]
    {
        let (times, answer) = time(RUNS, || Ok(solve(&universe, &system, &asked, &limits)?))?;
        report.row(work, times, &format!("{} steps, {}", answer.steps.len(), answer.effort));
    }
    Ok(())
}

/// Requests that need more than the first pass.
fn hard(
    report: &mut Report,
    index: &File,
    refused: &[&str],
    stepped: &[&str],
) -> Result<(), Failure> {
    let universe = load(&index.0)?;
    let (limits, system) = (Limits::default(), System::default());
    if !stepped.is_empty() {
        let asked = request(stepped);
        let (times, answer) = time(RUNS, || Ok(solve(&universe, &system, &asked, &limits)?))?;
        report.row("warm: with search", times, &answer.effort.to_string());
    }
    let asked = request(refused);
    let (times, text) = time(RUNS, || match solve(&universe, &system, &asked, &limits) {
        Err(SolveError::Refused(refusal)) => Ok(refusal.to_string()),
        other => Err(format!("{other:?} is not a refusal").into()),
    })?;
    report.row("refuse, explain, find a way out", times, &text);
    Ok(())
}

/// Nine pigeons in eight holes: no answer, and no short way to know it.
fn pigeons(report: &mut Report) -> Result<(), Failure> {
    use minos_solve::index::{Need, Provide, Term};
    let one: minos_model::Version = "1".parse()?;
    let mut entries = Vec::new();
    let mut names = Vec::new();
    for pigeon in 0..9 {
        let mut places = Vec::new();
        for hole in 0..8 {
            let mut place = Entry::new(&format!("p{pigeon}h{hole}"), one.clone());
            let target = format!("role:hole{hole}");
            place.provides.push(Provide { target, version: None, exclusive: true });
            places.push(Term::any(&place.name));
            entries.push(place);
        }
        let mut entry = Entry::new(&format!("pigeon{pigeon}"), one.clone());
        entry.needs.push(Need { any: places, when: None });
        names.push(entry.name.clone());
        entries.push(entry);
    }
    report.label = "pigeons".to_owned();
    let index = make_index(report, entries)?;
    let universe = load(&index.0)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (times, text) = time(3, || {
        let result = solve(&universe, &System::default(), &request(&names), &Limits::default());
        Ok(result.err().ok_or("nine in eight")?.to_string())
    })?;
    report.row("refuse or give up", times, &text);
    Ok(())
}

fn synthetic(report: &mut Report, label: &str, scale: f64) -> Result<(), Failure> {
    report.label = label.to_owned();
    let entries = synth::universe(scale, 1);
    let used = entries.first().ok_or("no package")?.name.clone();
    let index = make_index(report, entries.clone())?;
    measure(report, &index, &[synth::LARGE], &used)?;
    installed(report, &index, entries)?;
    pairs(report, &index)?;
    hard(report, &index, &[synth::LARGE, synth::LEGACY], &[synth::STEPPED])
}

fn debian(report: &mut Report, file: &str) -> Result<(), Failure> {
    report.label = "debian".to_owned();
    let import = import::packages(&fs::read_to_string(file)?, 0);
    report.row("import", (0.0, 0.0), &format!("{} packages left out", import.skipped.len()));
    let index = make_index(report, import.entries)?;
    measure(report, &index, &["kde-full", "texlive-full", "gnome"], "libc6")?;
    pairs(report, &index)?;
    every_one(report, &index)?;
    hard(report, &index, &["kde-full", "exim4-daemon-light", "postfix"], &[])
}

/// Loads, solves, and prints what memory that took.
fn memory(index: &str, target: &str) -> Result<(), Failure> {
    let universe = load(Path::new(index))?;
    solve(&universe, &System::default(), &request(&[target]), &Limits::default())?;
    // Not getrusage: its peak is that of the process before it became this program.
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.ok_or("no VmHWM in /proc/self/status")?.trim());
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--memory", index, target] = words[..] {
        return memory(index, target);
    }
    let json = words.contains(&"--json");
    let mut report = Report { json, label: String::new(), rows: Vec::new() };
    if !json {
        println!("{:<8} {:<32} {:>9} {:>9}", "universe", "work", "least ms", "median ms");
    }
    for (label, scale) in [("x0.1", 0.1), ("x1", 1.0), ("x10", 10.0)] {
        synthetic(&mut report, label, scale)?;
    }
    pigeons(&mut report)?;
    if let Some(at) = words.iter().position(|word| *word == "--debian") {
        debian(&mut report, words.get(at + 1).ok_or("--debian takes a file")?)?;
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&report.rows)?);
    }
    Ok(())
}
