//! CPU time of steps under pkgd beside the same scripts run bare.

use std::collections::BTreeMap;
use std::path::Path;

use minos_model::StepId;
use minos_proto::{Reply, Request};
use minos_recipe::RecipeSet;

use crate::bare::{Bare, unpack};
use crate::bench::{Figure, cost, median};
use crate::{Root, artefacts};

/// CPU seconds of a build.
#[derive(Debug, Default)]
struct Spent {
    /// All of it.
    total: f64,
    /// Of the phases of all steps, by name: user and system.
    phases: BTreeMap<String, [f64; 2]>,
}

impl Spent {
    fn add(&mut self, phase: &str, user: f64, system: f64) {
        let sum = self.phases.entry(phase.to_owned()).or_default();
        sum[0] += user;
        sum[1] += system;
    }
}

/// CPU seconds of `step` and what it needs, under pkgd and bare. Both run at the same time, each with half
/// of the cores: a neighbour, a warm cache or a throttled core then meets both alike, which one after
/// the other it does not (the same build varies by 10 % on a shared machine). Both stand on the seed
/// unpacked, as `qemu/up --host` has it: on the image every program started costs some 8 % more. Where the time goes is
/// told on standard error.
///
/// # Errors
/// A build fails, or its tools are missing.
pub fn overhead(step: &str, rounds: usize) -> Result<Figure, String> {
    let (set, _) = RecipeSet::load(&artefacts::recipes()).map_err(|e| e.to_string())?;
    let step: StepId = step.parse().map_err(|e| format!("{e}"))?;
    let jobs = (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1);
    let order = needed(&set, &step);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let seed = dir.path().join("seed");
    unpack(&artefacts::seed(), &seed)?;
    for _ in 0..rounds {
        let (one, other) = std::thread::scope(|scope| {
            let peer = scope.spawn(|| bare_round(&set, &order, jobs));
            let own = our_round(&order, jobs, &seed);
            (own, peer.join().unwrap_or_else(|_| Err("the bare build panicked".into())))
        });
        let (one, other) = (one?, other?);
        let ratio = one.total / other.total;
        eprintln!("# {step}: {:.2} s under pkgd, {:.2} s bare: {ratio:.3}", one.total, other.total);
        tell(&one, &other);
        ours.push(one.total);
        bare.push(other.total);
    }
    let mut figure = Figure::new(format!("overhead.cpu.{step}"), median(ours), "s", None);
    let peer = median(bare);
    figure.target = Some(peer * 1.02);
    figure.peer = Some(peer);
    Ok(figure)
}

fn tell(ours: &Spent, bare: &Spent) {
    let line = |name: &str, a: [f64; 2], b: [f64; 2]| {
        let ([au, a_s], [bu, bs]) = (a, b);
        eprintln!("#   {name:<10} user {au:8.2} / {bu:8.2}   system {a_s:7.2} / {bs:7.2}");
    };
    for (name, spent) in &ours.phases {
        line(name, *spent, bare.phases.get(name).copied().unwrap_or_default());
    }
    let rest = |spent: &Spent| spent.total - spent.phases.values().flatten().sum::<f64>();
    eprintln!("#   {:<10} {:.2} / {:.2}", "the rest", rest(ours), rest(bare));
}

fn our_round(order: &[StepId], jobs: usize, seed: &Path) -> Result<Spent, String> {
    let root = Root::new(&artefacts::recipes()).on_seed(seed);
    let step = order.last().map(ToString::to_string).unwrap_or_default();
    let mut command = root.command();
    command.arg("--sources").arg(artefacts::sources()).args(["--jobs", &jobs.to_string()]);
    command.args(["--build", &step, "--then", "exit", "--quiet"]);
    let mut spent = Spent { total: cost(&mut command)?.cpu.as_secs_f64(), ..Spent::default() };
    let mut daemon = root.start();
    for step in order {
        let attempts = daemon.call(&Request::Attempts { step: step.clone() });
        let Ok(Reply::Attempts(attempts)) = attempts else { continue };
        for (phase, metrics) in attempts.into_iter().next().map_or(Vec::new(), |a| a.phases) {
            let seconds = |micros: u64| micros as f64 / 1e6;
            spent.add(phase.as_str(), seconds(metrics.user_us), seconds(metrics.system_us));
        }
    }
    Ok(spent)
}

fn bare_round(set: &RecipeSet, order: &[StepId], jobs: usize) -> Result<Spent, String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let root = dir.path().join("root");
    let bare = Bare::new(&artefacts::seed(), &root)?;
    let mut spent = Spent::default();
    for id in order {
        spent.total += bare.step(set, id, &artefacts::sources(), jobs)?.cpu.as_secs_f64();
        read_times(&root.join("recipe/times"), &mut spent);
    }
    Ok(spent)
}

/// What bash's `times` said after each phase: a line with the phase's name, one of the shell, one of its
/// children so far, user and system as `1m2.345s`.
fn read_times(path: &Path, spent: &mut Spent) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let seconds = |word: &str| -> f64 {
        let (minutes, rest) = word.split_once('m').unwrap_or(("0", word));
        let part = |text: &str| text.parse::<f64>().unwrap_or_default();
        part(minutes) * 60.0 + part(rest.trim_end_matches('s'))
    };
    let lines: Vec<&str> = text.lines().collect();
    let mut before = [0.0; 2];
    for phase in lines.chunks_exact(3) {
        let mut words = phase[2].split(' ').map(seconds);
        let now = [words.next().unwrap_or_default(), words.next().unwrap_or_default()];
        spent.add(phase[0], now[0] - before[0], now[1] - before[1]);
        before = now;
    }
}

/// A step after everything it needs, each once.
fn needed(set: &RecipeSet, step: &StepId) -> Vec<StepId> {
    let mut order: Vec<StepId> = Vec::new();
    let inputs = set.get(step).map(|r| r.build.clone()).unwrap_or_default();
    for input in inputs {
        let below =
            needed(set, &input).into_iter().filter(|id| !order.contains(id)).collect::<Vec<_>>();
        order.extend(below);
    }
    order.push(step.clone());
    order
}
