//! What things cost, in calls of the kernel.
//!
//! A time says how busy the machine was; the number of calls is that of the program alone. Each test takes the
//! difference of two moments of one running pkgd that `strace` looks at.
#![cfg(feature = "system")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use minos_model::JobState;
use minos_proto::{BuildOptions, Request};
use minos_tests::{Daemon, Recipes, Root};

/// Calls by name.
type Calls = BTreeMap<String, u64>;

/// A pkgd under `strace`, which follows its helpers and boxes too.
struct Traced {
    daemon: Daemon,
    log: PathBuf,
    // Last: the folder goes after the daemon.
    root: Root,
}

impl Traced {
    /// `calls` is what `strace -e` takes.
    fn start(recipes: &Recipes, calls: &str) -> Self {
        let root = Root::new(recipes.path());
        let log = root.path().with_extension("strace");
        // -D: pkgd stays our own child, so that a kill reaches it.
        let strace = ["strace", "-D", "-f", "-qq", "-e", "signal=none", "-e", calls, "-o"];
        let root = root.under(strace).under([&log]);
        Self { daemon: root.start(), log, root }
    }

    /// All calls so far.
    fn so_far(&mut self) -> Calls {
        // What was asked before is over when this is answered; what pkgd does after an answer is not counted
        // to the request that follows, since both ends of a measurement lie behind one like this.
        self.daemon.call(&Request::Status).expect("a status");
        let text = fs::read_to_string(&self.log).expect("strace writes");
        let mut calls = Calls::new();
        for line in text.lines() {
            // `PID name(...`; the second half of a call that another interrupted is `PID <... name resumed>`.
            let name = line.split_whitespace().nth(1).and_then(|word| word.split_once('('));
            if let Some((name, _)) = name {
                *calls.entry(name.to_owned()).or_default() += 1;
            }
        }
        calls
    }

    /// The calls that `work` causes.
    fn cost(&mut self, work: impl FnOnce(&mut Daemon)) -> Calls {
        let before = self.so_far();
        work(&mut self.daemon);
        let mut after = self.so_far();
        for (name, count) in before {
            *after.entry(name).or_default() -= count;
        }
        after
    }
}

/// What is counted of no-op builds and commits: everything that waits for a disk, and everything at all.
fn of(calls: &Calls, names: &[&str]) -> u64 {
    names.iter().filter_map(|name| calls.get(*name)).sum()
}

/// Ways to make something durable.
const SYNCS: [&str; 5] = ["fsync", "fdatasync", "syncfs", "sync", "msync"];
/// Ways to make a process; threads are made by clone3 and do not count.
const PROCESSES: [&str; 3] = ["clone", "fork", "vfork"];

/// `count` steps and one that needs them all.
fn family(recipes: &mut Recipes, name: &str, count: usize) {
    let names: Vec<String> = (0..count).map(|n| format!("{name}{n}")).collect();
    for name in &names {
        recipes.step(name, &[], &[]);
    }
    let needs: Vec<&str> = names.iter().map(String::as_str).collect();
    recipes.step(name, &needs, &[]);
}

fn build(daemon: &mut Daemon, target: &str) {
    let outcome = daemon.build(&format!("demo/{target}"));
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
}

/// Nothing works in the background any more.
fn settle(traced: &mut Traced) {
    let trash = traced.root.path().join("trash");
    while fs::read_dir(&trash).expect("the trash").next().is_some() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// A step that installs one file: the difference between families of 12 and of 4, so that what a job costs as
/// such is not counted.
#[test]
fn an_empty_step_keeps_its_budget() {
    const MORE: u64 = 8;
    let mut recipes = Recipes::new();
    family(&mut recipes, "few", 4);
    family(&mut recipes, "many", 12);
    let mut traced = Traced::start(&recipes, "trace=all");
    let [few, many] = ["few", "many"].map(|target| {
        let cost = traced.cost(|daemon| build(daemon, target));
        settle(&mut traced);
        cost
    });
    let each = |names: &[&str]| (of(&many, names) - of(&few, names)) as f64 / MORE as f64;
    // Begun, logged, phase done, output done; the layer and the output on the disk.
    assert!(each(&SYNCS) <= 6.0, "{} syncs", each(&SYNCS));
    // Helper, first process of the box, shell, and the one command of the script.
    assert!(each(&PROCESSES) <= 4.0, "{} processes", each(&PROCESSES));
    let all = (many.values().sum::<u64>() - few.values().sum::<u64>()) as f64 / MORE as f64;
    println!("an empty step: {} syncs, {} processes, {all} calls", each(&SYNCS), each(&PROCESSES));
    assert!(all <= 2_000.0, "{all} calls");
}

/// Two commits (who asked, the job), an answer, and no process.
#[test]
fn a_build_with_nothing_to_do_keeps_its_budget() {
    const BUILDS: u64 = 100;
    let mut recipes = Recipes::new();
    family(&mut recipes, "few", 4);
    let mut traced = Traced::start(&recipes, "trace=all");
    traced.cost(|daemon| build(daemon, "few"));
    settle(&mut traced);
    // Recipes that changed just now are read again with each request; these are looked at alone.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let descriptors = |traced: &Traced| {
        fs::read_dir(format!("/proc/{}/fd", traced.daemon.pid())).expect("/proc").count()
    };
    let before = descriptors(&traced);
    let cost = traced.cost(|daemon| {
        (0..BUILDS).for_each(|_| {
            daemon.begin("demo/few", BuildOptions::default());
        });
    });
    let each = |names: &[&str]| of(&cost, names) as f64 / BUILDS as f64;
    let all = cost.values().sum::<u64>() as f64 / BUILDS as f64;
    let writes = each(&["pwrite64", "write", "pwritev", "writev"]);
    println!("nothing to do: {} syncs, {writes} writes, {all} calls", each(&SYNCS));
    // A commit is one write and one fdatasync; now and then the journal moves into the database.
    assert!(each(&SYNCS) <= 2.0 * 1.25, "{} syncs", each(&SYNCS));
    assert!(writes <= 2.0 * 2.0, "{writes} writes");
    assert_eq!(of(&cost, &PROCESSES), 0);
    assert!(all <= 120.0, "{all} calls: {cost:?}");
    assert_eq!(descriptors(&traced), before, "descriptors");
}
