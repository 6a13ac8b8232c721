//! `kill -9` of pkgd at random moments: every restart goes on, the result is that of a quiet build.
#![cfg(feature = "system")]

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use minos_model::{JobState, TestLevel};
use minos_proto::{BuildOptions, Reply, Request};
use minos_tests::{Recipes, Root};

/// Kills in one run, as often as the promise says.
const KILLS: usize = 20;

/// A chain of steps whose phases take long enough to be hit, and which notice a phase that was run
/// twice over its own leavings.
fn chain() -> Recipes {
    let mut recipes = Recipes::new();
    let once = |what: &str| {
        format!(
            "test ! -e {what} # a killed phase must start from a clean tree\n\
             for i in 1 2 3 4 5 6 7 8; do echo {what} $i >> {what}; sleep 0.05; done\n"
        )
    };
    let mut previous: Option<String> = None;
    for n in 1..=4 {
        let name = format!("link{n}");
        let install = format!(
            "mkdir -p /usr/share/{name}\nsleep 0.2\ncat configured built > /usr/share/{name}/file\n\
             ln /usr/share/{name}/file /usr/share/{name}/second\nln -s file /usr/share/{name}/link\n"
        );
        let needs: Vec<&str> = previous.as_deref().into_iter().collect();
        recipes.step(
            &name,
            &needs,
            &[("configure", &once("configured")), ("build", &once("built")), ("install", &install)],
        );
        previous = Some(name);
    }
    recipes
}

/// A seed for the moments, printed so that a failure can be repeated.
fn moments() -> impl Iterator<Item = Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").subsec_nanos();
    let mut state =
        std::env::var("MINOS_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(now);
    println!("MINOS_TEST_SEED={state}");
    std::iter::from_fn(move || {
        // Numerical Recipes' linear congruential generator: spread is all that is asked of it.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(Duration::from_millis(u64::from(state >> 16) % 900))
    })
}

#[test]
fn twenty_kills_change_nothing_but_the_time_it_takes() {
    let recipes = chain();
    let quiet = Root::new(recipes.path());
    let expected = quiet.manifests("demo/link4");

    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let job = daemon.begin("demo/link4", BuildOptions::default());
    let mut kills = 0;
    for moment in moments().take(KILLS) {
        std::thread::sleep(moment);
        daemon.kill();
        kills += 1;
        daemon = root.start();
    }
    let outcome = daemon.wait(job);
    assert_eq!(outcome.state, JobState::Done, "after {kills} kills: {outcome:?}");
    let Ok(Reply::Job { job, .. }) = daemon.call(&Request::Job { job: Some(job) }) else {
        panic!("no job")
    };
    assert!(job.resumed as usize > KILLS / 4, "most kills came to an idle pkgd: {job:?}");
    drop(daemon);

    assert_eq!(root.manifests("demo/link4"), expected);
    nothing_left_over(&root);
}

/// No row without bytes (start would report it), no bytes without a row, no scratch.
fn nothing_left_over(root: &Root) {
    let mut daemon = root.start();
    let outcome = daemon.build("demo/link4");
    let rows: BTreeSet<String> =
        outcome.steps.iter().filter_map(|s| s.output).map(|d| d.to_string()).collect();
    let bytes: BTreeSet<String> = root.list("outputs").into_iter().collect();
    assert_eq!(rows, bytes);
    assert_eq!(root.list("scratch"), Vec::<String>::new());
    let Ok(Reply::Status(status)) = daemon.call(&Request::Status) else { panic!("no status") };
    assert_eq!(status.outputs, rows.len() as u64);
}

/// Kills pkgd as soon as the first phase of `step` is committed, so while the second one runs, and lets
/// another one finish the job. Returns the log of that last attempt.
fn log_after_a_kill(recipes: &Recipes, step: &str) -> String {
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let job = daemon.begin(&format!("demo/{step}"), BuildOptions::default());
    daemon.first_phase_of(step);
    daemon.kill();
    let mut daemon = root.start();
    let outcome = daemon.wait(job);
    let log = daemon.log(step);
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}\n{log}");
    log
}

#[test]
fn a_kill_costs_at_most_the_phase_that_ran() {
    let mut recipes = Recipes::new();
    recipes.step(
        "two",
        &[],
        &[
            ("configure", "echo configured > configured; echo CONFIGURE RAN\n"),
            ("build", "test -e configured\nfor i in $(seq 100); do sleep 0.05; done\n"),
        ],
    );
    let log = log_after_a_kill(&recipes, "two");
    assert!(!log.contains("CONFIGURE RAN"), "configure ran again: {log}");
}

/// Each phase that a step can have; each notices leavings of itself, and says in the log that it ran.
const PHASES: [&str; 7] = ["unpack", "prepare", "configure", "build", "check", "install", "assert"];

fn all_phases() -> Recipes {
    let mut recipes = Recipes::new();
    let script = |phase: &str| match phase {
        "install" => {
            "echo RAN install\nmkdir -p /usr/share/every\ncat ../*/ran-build > /usr/share/every/file\n"
        }
        "assert" => "echo RAN assert\ntest -s /usr/share/every/file\n",
        _ => "",
    };
    let other = |phase: &str| {
        format!("echo RAN {phase}\ntest ! -e ran-{phase}\necho {phase} > ran-{phase}\n")
    };
    let scripts = PHASES.map(|phase| match script(phase) {
        "" => other(phase),
        own => own.to_owned(),
    });
    let phases: Vec<_> = PHASES.into_iter().zip(scripts.iter().map(String::as_str)).collect();
    recipes.step("every", &[], &phases);
    recipes
}

/// After each phase but the assertions there is one `syncfs`, and one more when the output was captured and stands in its
/// place; the commit comes behind it. pkgd is killed in each of them: what was committed before is not done again, and
/// the output is that of a quiet build.
#[test]
fn a_kill_at_each_boundary_costs_one_phase_and_changes_nothing() {
    let recipes = all_phases();
    let check = BuildOptions { tests: TestLevel::All, ..BuildOptions::default() };
    let quiet = Root::new(recipes.path());
    let mut daemon = quiet.start();
    let job = daemon.begin("demo/every", check.clone());
    assert_eq!(daemon.wait(job).state, JobState::Done, "{}", daemon.log("every"));
    drop(daemon);
    let expected = quiet.manifests("demo/every");

    for boundary in 1..=PHASES.len() {
        let root = Root::new(recipes.path());
        let inject = format!("inject=syncfs:signal=KILL:when={boundary}");
        let strace =
            ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=syncfs", "-e", &inject];
        let killed = Root::at(root.path(), recipes.path()).under(strace);
        let mut daemon = killed.start();
        let job = daemon.begin("demo/every", check.clone());
        assert!(!daemon.outlives(job), "boundary {boundary}: nothing was killed");

        let mut daemon = root.start();
        let outcome = daemon.wait(job);
        let log = daemon.log("every");
        assert_eq!(outcome.state, JobState::Done, "boundary {boundary}: {outcome:?}\n{log}");
        let ran: Vec<&str> =
            PHASES.into_iter().filter(|p| log.contains(&format!("RAN {p}"))).collect();
        // What is placed has left the scratch: install is done once more, the one phase that is.
        let from = (boundary - 1).min(PHASES.len() - 2);
        assert_eq!(ran, PHASES[from..], "boundary {boundary}: {log}");
        drop(daemon);
        assert_eq!(root.manifests("demo/every"), expected, "boundary {boundary}");
        assert_eq!(root.list("scratch"), Vec::<String>::new());
    }
}

/// The sweep at start took the package for litter, since the checkpoint named only install's build layer; the
/// checkpoint still said that install was done, and every later attempt failed for want of the package.
#[test]
fn a_kill_after_install_does_not_lose_the_package() {
    let mut recipes = Recipes::new();
    let install = "mkdir -p /usr/share/kept\necho INSTALL RAN | tee /usr/share/kept/file\n";
    let assert = "sleep 3\ntest -s /usr/share/kept/file\n";
    recipes.step("kept", &[], &[("install", install), ("assert", assert)]);
    let log = log_after_a_kill(&recipes, "kept");
    assert!(!log.contains("INSTALL RAN"), "install ran again: {log}");
}

/// A pkgd killed between the fork and the exec of a helper leaves its lock to the child for a moment: the next
/// one was refused then. Seen on a busy machine.
#[test]
fn the_lock_of_a_dead_pkgd_is_waited_for() {
    let mut recipes = Recipes::new();
    recipes.step("good", &[], &[]);
    let root = Root::new(recipes.path());
    root.start().kill();
    let lock = std::fs::File::open(root.path().join("lock")).expect("the lock of the state");
    lock.lock().expect("nobody else has it");
    std::thread::scope(|scope| {
        let next = scope.spawn(|| root.start().build("demo/good").state);
        std::thread::sleep(Duration::from_millis(300));
        lock.unlock().expect("ours");
        assert_eq!(next.join().expect("it starts"), JobState::Done);
    });
}

#[test]
fn the_sandbox_dies_with_pkgd() {
    let mut recipes = Recipes::new();
    recipes.step("marker", &[], &[("build", "exec -a minos-test-marker sleep 1000\n")]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    daemon.begin("demo/marker", BuildOptions::default());
    let running = || {
        let list = std::fs::read_dir("/proc").expect("/proc").flatten();
        list.filter(|e| {
            let line = std::fs::read(e.path().join("cmdline")).unwrap_or_default();
            line.starts_with(b"minos-test-marker")
        })
        .count()
    };
    let until = |wanted: usize| {
        (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            running() == wanted
        })
    };
    assert!(until(1), "the step runs");
    daemon.kill();
    assert!(until(0), "a process of the step outlived pkgd");
}

/// A starting pkgd removed the empty cgroup that another one's helper had just made, and that one's step
/// failed to set up its sandbox. Seen when this file's tests ran side by side.
#[test]
fn daemons_that_start_do_not_disturb_the_boxes_of_others() {
    let mut recipes = Recipes::new();
    let names: Vec<String> = (0..30).map(|n| format!("quick{n}")).collect();
    for name in &names {
        recipes.step(name, &[], &[("build", "true\n")]);
    }
    let needs: Vec<&str> = names.iter().map(String::as_str).collect();
    recipes.step("all", &needs, &[]);
    let (busy, other) = (Root::new(recipes.path()), Root::new(recipes.path()));
    // Numbers of processes mean nothing to one in a pid namespace of its own: to it, all helpers of the busy one
    // are dead. It dies with unshare, which is what the test kills.
    let apart = Root::new(recipes.path()).under([
        "unshare",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount",
        "--mount-proc",
    ]);
    let mut daemon = busy.start();
    let job = daemon.begin("demo/all", BuildOptions::default());
    let outcome = std::thread::scope(|scope| {
        let restarts =
            [&other, &apart].map(|root| scope.spawn(|| (0..20).for_each(|_| start_and_kill(root))));
        let outcome = daemon.wait(job);
        for restarts in restarts {
            restarts.join().expect("the other daemon starts each time");
        }
        outcome
    });
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
}

/// One behind `unshare` dies a moment after it: its lock is free then, and not before.
fn start_and_kill(root: &Root) {
    root.start().kill();
    let lock = std::fs::File::open(root.path().join("lock")).expect("the lock of the state");
    lock.lock().expect("the dead hold no lock");
}
