//! Triggers: what is made from the files of several packages when they change.
#![cfg(feature = "system")]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use minos_model::JobState;
use minos_proto::{DatabaseTask, ErrorReport, PackageRequest, Request, Wish};
use minos_tests::packages::{ask, change, install, installed, propose, verify};
use minos_tests::{Daemon, Recipes, Root};

/// The real one, which is a static program: of the seed.
const LDCONFIG: &str = "mkdir -p /usr/sbin\ncp /usr/sbin/ldconfig /usr/sbin/ldconfig.new\n\
                        mv -f /usr/sbin/ldconfig.new /usr/sbin/ldconfig\n";

fn library(name: &str) -> String {
    format!(
        "mkdir -p /usr/lib\necho 'int {name}(void) {{ return 1; }}' > /tmp/{name}.c\n\
         gcc -shared -nostdlib -Wl,-soname,lib{name}.so.1 -o /usr/lib/lib{name}.so.1 /tmp/{name}.c\n"
    )
}

/// A package with a program in the place of ldconfig.
fn program(main: &str) -> String {
    format!(
        "mkdir -p /usr/sbin\ncat > /tmp/p.c <<'END'\n#include <stdio.h>\n#include <unistd.h>\n\
         #include <fcntl.h>\n#include <sys/stat.h>\nint main(void) {{ {main} }}\nEND\n\
         gcc -static -o /tmp/p /tmp/p.c\ncp /tmp/p /usr/sbin/ldconfig.new\n\
         mv -f /usr/sbin/ldconfig.new /usr/sbin/ldconfig\n"
    )
}

fn packed(recipes: &mut Recipes, steps: &[(&str, &str)]) -> (Root, Daemon) {
    for (name, script) in steps {
        recipes.step(name, &[], &[("install", script)]);
    }
    let root = Root::new(recipes.path()).with(&["--trigger-seconds", "5"]);
    let mut daemon = root.start();
    let targets: Vec<String> = steps.iter().map(|(name, _)| format!("demo/{name}")).collect();
    for target in &targets {
        assert_eq!(daemon.build(target).state, JobState::Done, "{target}");
    }
    ask(&mut daemon, PackageRequest::Pack { targets }).expect("packed");
    (root, daemon)
}

fn current(root: &Root) -> PathBuf {
    root.path().join(fs::read_link(root.path().join("current")).expect("the current root"))
}

/// The libraries that the cache of ldconfig names.
fn cached(root: &Root, names: &[&str]) -> Vec<bool> {
    let cache = fs::read(current(root).join("etc/ld.so.cache")).expect("a cache");
    let has = |name: &str| cache.windows(name.len()).any(|part| part == name.as_bytes());
    names.iter().map(|name| has(name)).collect()
}

fn refused(daemon: &mut Daemon, wish: Wish) -> ErrorReport {
    let plan = propose(daemon, wish).expect("an answer").plan.expect("a plan").to_string();
    ask(daemon, PackageRequest::Apply { plan }).expect_err("a trigger that fails ends the change")
}

/// As before: nothing of the transaction is left, in the system or in scratch.
fn unchanged(root: &Root, daemon: &mut Daemon, packages: &[&str]) {
    assert_eq!(installed(daemon), packages);
    assert!(!verify(daemon, false).alarm);
    assert!(!ask(daemon, PackageRequest::Database(DatabaseTask::Verify)).unwrap().alarm);
    assert_eq!(root.list("scratch"), [""; 0], "scratch is cleared");
}

#[test]
fn the_cache_of_libraries_follows_the_packages_forward_and_back() {
    let mut recipes = Recipes::new();
    let (one, two) = (library("one"), library("two"));
    let (root, mut daemon) =
        packed(&mut recipes, &[("one", &one), ("two", &two), ("linker", LDCONFIG)]);
    let names = ["libone.so.1", "libtwo.so.1"];
    change(&mut daemon, install(&["one"]));
    assert!(!current(&root).join("etc/ld.so.cache").exists(), "no program, no trigger");
    change(&mut daemon, install(&["linker"]));
    assert_eq!(cached(&root, &names), [true, false], "the program alone calls for it");
    change(&mut daemon, install(&["two"]));
    assert_eq!(cached(&root, &names), [true, true]);
    unchanged(&root, &mut daemon, &["linker 1.0-1", "one 1.0-1", "two 1.0-1"]);

    ask(&mut daemon, PackageRequest::Rollback { steps: 1 }).unwrap();
    assert_eq!(cached(&root, &names), [true, false], "it goes back with the packages");
    let remove = Wish { remove: vec!["one".into()], ..Wish::default() };
    change(&mut daemon, remove);
    assert_eq!(cached(&root, &names), [false, false]);
    unchanged(&root, &mut daemon, &["linker 1.0-1"]);
}

#[test]
fn one_trigger_runs_once_for_all_packages() {
    let mut recipes = Recipes::new();
    // Says how often it ran: a second run would find the first one's mark.
    let once = program(
        "int f = open(\"/etc/ld.so.cache\", O_CREAT | O_EXCL | O_WRONLY, 0644);\n\
         return f < 0 || write(f, \"x\", 1) != 1;",
    );
    let (one, two) = (library("one"), library("two"));
    let (root, mut daemon) =
        packed(&mut recipes, &[("one", &one), ("two", &two), ("linker", &once)]);
    change(&mut daemon, install(&["one", "two", "linker"]));
    assert_eq!(fs::read(current(&root).join("etc/ld.so.cache")).unwrap(), b"x");
}

#[test]
fn a_trigger_that_fails_hangs_or_escapes_takes_the_change_back() {
    let bad = [
        ("fails", "puts(\"no luck today\"); return 3;", "no luck today"),
        ("hangs", "close(1); close(2); for (;;) pause();", "not done after 5 s"),
        ("forks", "for (;;) fork();", "not done after 5 s"),
        (
            "floods",
            "static char b[1 << 20]; int f = open(\"/etc/ld.so.cache\", O_CREAT | O_WRONLY, 0644); \
             while (write(f, b, sizeof b) > 0) ; return 7;",
            "signal",
        ),
        ("crashes", "__builtin_trap();", "signal"),
        // What the box does not let it do, it sees as an error of the system.
        (
            "writes",
            "return open(\"/usr/lib/x\", O_CREAT | O_WRONLY, 0644) < 0 ? 9 : 0;",
            "status 9",
        ),
        // What it can do in the folder that is open to it is judged afterwards.
        (
            "sneaks",
            "close(open(\"/etc/shadow\", O_CREAT | O_WRONLY, 0644)); return 0;",
            "/etc/shadow",
        ),
        ("links", "symlink(\"/\", \"/etc/x\"); return 0;", "/etc/x"),
        ("pipes", "mkfifo(\"/etc/ld.so.cache\", 0600); return 0;", "neither file"),
        (
            "setuid",
            "int f = open(\"/etc/ld.so.cache\", O_CREAT | O_WRONLY, 0644); return fchmod(f, 04755);",
            "rights",
        ),
    ];
    let mut recipes = Recipes::new();
    let scripts: Vec<(&str, String)> =
        bad.iter().map(|(name, main, _)| (*name, program(main))).collect();
    let one = library("one");
    let mut steps: Vec<(&str, &str)> = scripts.iter().map(|(n, s)| (*n, s.as_str())).collect();
    steps.push(("one", &one));
    let (root, mut daemon) = packed(&mut recipes, &steps);
    change(&mut daemon, install(&["one"]));
    for (name, _, told) in bad {
        let report = refused(&mut daemon, install(&[name]));
        assert!(report.what.contains("a trigger failed: "), "{name}: {report}");
        assert!(report.what.contains(told), "{name}: {report}");
        unchanged(&root, &mut daemon, &["one 1.0-1"]);
    }
}

#[test]
fn a_kill_while_a_trigger_runs_leaves_the_system_of_before() {
    let mut recipes = Recipes::new();
    let (one, hangs) = (library("one"), program("for (;;) pause();"));
    let (root, mut daemon) = packed(&mut recipes, &[("one", &one), ("hangs", &hangs)]);
    change(&mut daemon, install(&["one"]));
    let plan = propose(&mut daemon, install(&["hangs"])).unwrap().plan.unwrap().to_string();
    let pid = nix::unistd::Pid::from_raw(daemon.pid().cast_signed());
    let upper = root.path().join("scratch/triggers/0-root/upper");
    let killer = thread::spawn(move || {
        wait_for(&upper);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
    });
    let apply = Request::Package(PackageRequest::Apply { plan });
    daemon.call(&apply).expect_err("pkgd is dead");
    killer.join().expect("the trigger ran");
    drop(daemon);
    let mut daemon = root.start();
    unchanged(&root, &mut daemon, &["one 1.0-1"]);
    assert_eq!(root.list("roots"), ["1"]);
}

fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "{} never came", path.display());
        thread::sleep(Duration::from_millis(1));
    }
}
