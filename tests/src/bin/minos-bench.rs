//! `minos-bench`: prints figures, one a line. `tests/bench` builds everything and calls it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use argh::FromArgs;
use minos_model::{JobState, Stage, StepId, StepState};
use minos_proto::{BuildOptions, Reply, Request};
use minos_recipe::RecipeSet;
use minos_tests::appliance::Appliance;
use minos_tests::bench::{Figure, median, size};
use minos_tests::boot::{self, Boot};
use minos_tests::overhead::overhead;
use minos_tests::peers::{self, Bench};
use minos_tests::{Recipes, Root, artefacts, meter, rollback};

/// Measures MinOS on this machine.
#[derive(FromArgs)]
struct Args {
    /// one JSON object a line
    #[argh(switch)]
    json: bool,

    /// file with figures of another program, one JSON object a line, to be printed first
    #[argh(option)]
    also: Option<PathBuf>,

    /// also build these steps bare and under pkgd, and compare their CPU time: names with commas
    #[argh(option)]
    overhead: Option<String>,

    /// also boot the machine and busybox init on the same kernel, turn by turn; and to a login beside a small Debian, and
    /// from a broken generation back to one
    #[argh(switch)]
    boot: bool,

    /// with --boot: a disk of an installed system (out/lfs.img), booted to its login beside a small Debian
    #[argh(option)]
    disk: Option<PathBuf>,

    /// only the package manager beside its peers, in this empty folder on the disk to be measured
    #[argh(option)]
    packages: Option<PathBuf>,

    /// with --packages: only these parts of it, names with commas: packages, universe, daemon, growth
    #[argh(option)]
    parts: Option<String>,

    /// with --packages: how many times the 100 packages growth goes up to: 1, 10 (the default) or 100
    #[argh(option, default = "10")]
    scale: usize,

    /// how often each comparison is made
    #[argh(option, default = "3")]
    rounds: usize,

    /// state root with a finished lfs/toolchain, for the figure of a build with nothing to do
    #[argh(option)]
    state: Option<PathBuf>,
}

/// Steps of the chain that tells what an empty step costs.
const EMPTY_STEPS: usize = 20;

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == meter::FLAG) {
        return meter::child(std::env::args().skip(2));
    }
    let args: Args = argh::from_env();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("minos-bench: {what}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let print = |figure: &Figure| {
        if args.json { println!("{}", figure.json()) } else { println!("{}", figure.line()) }
    };
    if let Some(dir) = &args.packages {
        return package_manager(dir, args);
    }
    if !args.json {
        head();
    }
    if let Some(path) = &args.also {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        text.lines().filter_map(Figure::parse).for_each(|figure| print(&figure));
    }
    sizes().iter().for_each(print);
    empty_steps()?.iter().for_each(print);
    print(&book_of_nothing()?);
    if let Some(state) = &args.state {
        nothing_to_do(state)?.iter().for_each(print);
    }
    if args.boot {
        boots(args.rounds).iter().for_each(print);
        print(&rollback::login(args.rounds)?);
        if let Some(disk) = &args.disk {
            print(&rollback::installed(disk, args.rounds)?);
        }
        rollback::back(args.rounds).iter().for_each(print);
    }
    if let Some(steps) = &args.overhead {
        for step in steps.split(',') {
            print(&overhead(step, args.rounds)?);
        }
    }
    Ok(())
}

/// The package manager beside its peers: a table of our figures with the best peer, then everybody's.
fn package_manager(dir: &Path, args: &Args) -> Result<(), String> {
    let free = nix::sys::statvfs::statvfs(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut bench = Bench::new(dir, args.rounds, args.scale)?;
    let free = free.blocks_available() * free.fragment_size();
    let parts = args.parts.as_deref().unwrap_or("packages,universe,daemon,growth");
    if parts != "growth" {
        bench.about()?.iter().for_each(|line| eprintln!("# {line}"));
    }
    // What was measured is shown, whatever another part met.
    let mut failed = Vec::new();
    for part in parts.split(',') {
        let done = match part {
            "packages" => bench.packages(),
            "universe" => bench.universe(),
            "daemon" => bench.daemon(),
            "growth" => bench.growth(free, args.scale),
            _ => Err(format!("--parts: there is no part {part}")),
        };
        failed.extend(done.err());
    }
    let samples = bench.samples();
    let figures = peers::rows().into_iter().filter_map(|row| samples.figure(&row));
    if args.json {
        figures.for_each(|figure| println!("{}", figure.json()));
    } else {
        head();
        figures.for_each(|figure| println!("{}", figure.line()));
        let (who, cpu, wall) = ("work, who", "CPU ms", "wall ms");
        println!(
            "\n{who:<18} {cpu:>12} {wall:>12} {:>12} {:>10} {:>5}",
            "within ms", "MiB", "runs"
        );
    }
    for work in samples.works() {
        if !args.json {
            println!("{work}");
        }
        samples.details(work, args.json).iter().for_each(|line| println!("{line}"));
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}

fn head() {
    println!(
        "{:<34} {:>12} {:<6} {:>10} {:>10} {:>5}",
        "name", "value", "unit", "target", "peer", "ratio"
    );
}

/// Sizes of what is shipped, in bytes.
fn sizes() -> Vec<Figure> {
    let bin =
        |name: &str| artefacts::top().join("target/x86_64-unknown-linux-gnu/release").join(name);
    let out = |name: &str| artefacts::top().join("out").join(name);
    [
        ("size.init", bin("init"), Some(1_250_000.0)),
        ("size.pkgctl", bin("pkgctl"), Some(1_500_000.0)),
        ("size.pkgd", bin("pkgd"), Some(8_000_000.0)),
        ("size.kernel", out("bzImage"), None),
        ("size.initramfs", out("initramfs.zst"), None),
        ("size.seed", out("seed.squashfs"), None),
    ]
    .into_iter()
    .filter_map(|(name, path, target)| Some(Figure::new(name, size(&path)?, "B", target)))
    .collect()
}

/// What a step costs that does nothing but install one file, and a build with nothing to do.
fn empty_steps() -> Result<Vec<Figure>, String> {
    let mut recipes = Recipes::new();
    let names: Vec<String> = (0..EMPTY_STEPS).map(|n| format!("empty{n}")).collect();
    for name in &names {
        recipes.step(name, &[], &[]);
    }
    let needs: Vec<&str> = names.iter().map(String::as_str).collect();
    recipes.step("all", &needs, &[]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let outcome = daemon.build("demo/all");
    let mut walls = Vec::new();
    for step in &outcome.steps {
        let Ok(Reply::Attempts(list)) = daemon.call(&Request::Attempts { step: step.step.clone() })
        else {
            return Err(format!("no attempts of {}", step.step));
        };
        let last = list.first().ok_or("a step without an attempt")?;
        walls.push(last.finished_ms.unwrap_or(0).saturating_sub(last.started_ms) as f64);
    }
    let noop = no_op(&mut daemon, "demo/all")?;
    Ok(vec![
        Figure::new("step.empty", median(walls), "ms", Some(100.0)),
        Figure::new("build.nothing-to-do.21-steps", noop, "ms", Some(10.0)),
    ])
}

/// The median round trip of a build request when everything is cached, job row and commit included.
fn no_op(daemon: &mut minos_tests::Daemon, target: &str) -> Result<f64, String> {
    let mut times = Vec::new();
    for _ in 0..21 {
        let request = Request::Build { target: target.into(), options: BuildOptions::default() };
        let start = Instant::now();
        daemon.call(&request).map_err(|e| e.to_string())?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(median(times))
}

/// A build with nothing to do of as many steps as the whole system has, with their dependencies and without their work.
fn book_of_nothing() -> Result<Figure, String> {
    let (book, _) = RecipeSet::load(&artefacts::recipes()).map_err(|e| e.to_string())?;
    let name = |id: &StepId| id.to_string().replace(':', "-");
    let mut recipes = Recipes::new();
    let mut names = Vec::new();
    for recipe in book.iter().filter(|recipe| recipe.stage != Stage::Demo) {
        let needs: Vec<String> = recipe.build.iter().map(name).collect();
        let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
        recipes.step(&name(&recipe.id), &needs, &[]);
        names.push(name(&recipe.id));
    }
    let needs: Vec<&str> = names.iter().map(String::as_str).collect();
    recipes.step("all-of-it", &needs, &[]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let outcome = daemon.build("demo/all-of-it");
    if outcome.state != JobState::Done {
        let bad = outcome.steps.iter().find(|step| matches!(step.state, StepState::Failed(_)));
        return Err(format!("a step without work fails: {bad:?}"));
    }
    let name = format!("build.nothing-to-do.{}-steps", outcome.steps.len());
    Ok(Figure::new(name, no_op(&mut daemon, "demo/all-of-it")?, "ms", Some(10.0)))
}

/// The same of real targets, as far as the state has all of them.
fn nothing_to_do(state: &Path) -> Result<Vec<Figure>, String> {
    let root = Root::at(state, &artefacts::recipes());
    let mut daemon = root.start();
    let mut figures = Vec::new();
    for target in ["lfs/toolchain", "lfs/temporary", "lfs/system", "lfs/all"] {
        let request = Request::Plan { target: target.into(), options: BuildOptions::default() };
        let Ok(Reply::Plan(plan)) = daemon.call(&request) else { continue };
        if plan.steps.iter().all(|step| step.cached) {
            let name = target.replace("lfs/", "build.nothing-to-do.");
            figures.push(Figure::new(name, no_op(&mut daemon, target)?, "ms", Some(10.0)));
        }
    }
    Ok(figures)
}

/// Kernel to console prompt, and PID 1's share of it, beside busybox init.
fn boots(rounds: usize) -> Vec<Figure> {
    let appliance = Appliance::new();
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(boot::ours(&appliance));
        peer.push(boot::busybox(&appliance));
    }
    let prompt = |list: &[Boot]| median(list.iter().map(|b| b.prompt).collect());
    let share = |list: &[Boot]| median(list.iter().map(Boot::share).collect());
    let figure = |name: &str, of: &dyn Fn(&[Boot]) -> f64| {
        let mut figure = Figure::new(name, of(&ours), "ms", None);
        figure.peer = Some(of(&peer));
        figure.target = figure.peer.map(|p| p * 1.2);
        figure
    };
    vec![figure("boot.kernel-to-prompt", &prompt), figure("boot.share-of-init", &share)]
}
