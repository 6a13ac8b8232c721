//! Triggers run in boxes on the root that is put together, and take a change back that they cannot finish.
#![cfg(feature = "system")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use minos_model::JobState;
use minos_proto::{ErrorReport, PackageRequest, Wish};
use minos_qemu::control::{Client, Timeouts};
use minos_tests::daemon::PATIENCE;
use minos_tests::packages::{ask, change, install, installed, propose, verify};
use minos_tests::{Daemon, Recipes, Root, artefacts};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Copies what the seed has, so that it becomes a part of the package.
const AGAIN: &str = "again() { cp -a \"$1\" \"$1.new\"; mv -T \"$1.new\" \"$1\"; }\n";

/// The seed's ldconfig, and a library for it to find.
const LDCONFIG: &str = "again /usr/sbin/ldconfig\nmkdir -p /etc\n\
                        cp /usr/lib/x86_64-linux-gnu/libc.so.6 /usr/lib/libc.so.6\n\
                        again /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n";
/// Another library.
const OTHER: &str = "cp /usr/lib/x86_64-linux-gnu/libm.so.6 /usr/lib/libm.so.6\n";
/// A shell that runs without anything else, for programs that pass for ldconfig.
const SHELL: &str = "again /usr/bin/dash\nagain /lib64\nlibs=/usr/lib/x86_64-linux-gnu\n\
                     again $libs/libc.so.6\nagain /usr/lib64/ld-linux-x86-64.so.2\n\
                     again $libs/ld-linux-x86-64.so.2\nmkdir -p /etc\n";

/// A pkgd whose repository has these packages.
fn packed(packages: &[(&str, &str)]) -> (Recipes, Root, Daemon) {
    packed_with(&[], packages)
}

/// As [`packed`], with more arguments for pkgd.
fn packed_with(arguments: &[&str], packages: &[(&str, &str)]) -> (Recipes, Root, Daemon) {
    let mut recipes = Recipes::new();
    for (name, script) in packages {
        recipes.step(name, &[], &[("install", &format!("{AGAIN}{script}"))]);
    }
    let root = Root::new(recipes.path()).with(arguments);
    let mut daemon = root.start();
    let targets: Vec<String> = packages.iter().map(|(name, _)| format!("demo/{name}")).collect();
    for target in &targets {
        assert_eq!(daemon.build(target).state, JobState::Done, "{target}");
    }
    ask(&mut daemon, PackageRequest::Pack { targets }).expect("packed");
    (recipes, root, daemon)
}

/// A package whose ldconfig is this script of a shell.
fn impostor(script: &str) -> String {
    impostor_of("/usr/sbin/ldconfig", script)
}

/// A package in which a script of a shell passes for a program.
fn impostor_of(program: &str, script: &str) -> String {
    let text = format!("#!/usr/bin/dash\n{script}");
    format!("{SHELL}cat > /tmp/l <<'END'\n{text}\nEND\nchmod 755 /tmp/l\nmv /tmp/l {program}\n")
}

/// Installs a package with this ldconfig, which must not work out. What pkgd says.
fn refused(script: &str) -> ErrorReport {
    refused_with(&["--trigger-seconds", "60"], script)
}

/// As [`refused`], with more arguments for pkgd.
fn refused_with(arguments: &[&str], script: &str) -> ErrorReport {
    let (_recipes, root, mut daemon) = packed_with(arguments, &[("fake", &impostor(script))]);
    // Longer than a trigger may take.
    let patience = Timeouts { reply: Duration::from_secs(150), ..Timeouts::default() };
    let mut client = Client::connect(daemon.socket(), "test", patience).expect("connected");
    let plan = propose(&mut client, install(&["fake"])).expect("an answer").plan.expect("a plan");
    let error = ask(&mut client, PackageRequest::Apply { plan: plan.to_string() }).unwrap_err();
    assert_eq!(installed(&mut daemon), Vec::<String>::new(), "the system is as before");
    assert!(!root.path().join("current").exists());
    assert!(!root.path().join("scratch/triggers").exists(), "nothing is left behind");
    assert!(error.what.contains("ldconfig"), "the trigger is named: {error}");
    error
}

fn cache(root: &Root) -> Vec<u8> {
    fs::read(root.path().join("current/etc/ld.so.cache")).expect("the cache of libraries")
}

fn has(cache: &[u8], library: &str) -> bool {
    cache.windows(library.len()).any(|window| window == library.as_bytes())
}

#[test]
fn libraries_are_found_as_they_come_and_go() {
    let (_recipes, root, mut daemon) = packed(&[("loader", LDCONFIG), ("other", OTHER)]);
    change(&mut daemon, install(&["loader", "other"]));
    let both = cache(&root);
    assert!(has(&both, "/usr/lib/libc.so.6") && has(&both, "/usr/lib/libm.so.6"));
    assert!(!verify(&mut daemon, false).alarm, "what a trigger made is of the generation");
    let made = fs::metadata(root.path().join("current/etc/ld.so.cache")).expect("it is there");
    assert_eq!((made.uid(), made.gid(), made.mode() & 0o7777), (0, 0, 0o644));

    change(&mut daemon, Wish { remove: vec!["other".to_owned()], ..Wish::default() });
    let one = cache(&root);
    assert!(has(&one, "/usr/lib/libc.so.6") && !has(&one, "/usr/lib/libm.so.6"));

    ask(&mut daemon, PackageRequest::Rollback { steps: 1, dry_run: false }).expect("gone back");
    assert_eq!(cache(&root), both, "it goes back with its generation");
}

/// A library in a folder that only `ld.so.conf.d` names was not findable until something else changed.
#[test]
fn libraries_are_found_where_a_file_says_that_they_are() {
    let conf = "mkdir -p /etc/ld.so.conf.d\necho 'include /etc/ld.so.conf.d/*.conf' > /etc/ld.so.conf\n\
                echo /opt/x/lib > /etc/ld.so.conf.d/x.conf\n";
    let library = "mkdir -p /opt/x/lib\ncp /usr/lib/x86_64-linux-gnu/libm.so.6 /opt/x/lib/\n";
    let loader = format!("{LDCONFIG}{conf}");
    let (_recipes, root, mut daemon) = packed(&[("loader", &loader), ("other", library)]);
    change(&mut daemon, install(&["loader"]));
    assert!(!has(&cache(&root), "/opt/x/lib/libm.so.6"));
    change(&mut daemon, install(&["other"]));
    assert!(has(&cache(&root), "/opt/x/lib/libm.so.6"));
}

#[test]
fn manuals_are_indexed_as_they_come_and_go() {
    let info = |name: &str| {
        format!("mkdir -p /usr/share/info\necho {name} > /usr/share/info/{name}.info\n")
    };
    let program = impostor_of("/usr/bin/install-info", "echo \"$1\" >> \"$2\"\n");
    let (a, b, z) = (info("a"), info("b"), info("z"));
    let (_recipes, root, mut daemon) =
        packed(&[("texinfo", &program), ("a", &a), ("b", &b), ("z", &z)]);
    change(&mut daemon, install(&["b", "z"]));
    let index = root.path().join("current/usr/share/info/dir");
    assert!(!index.exists(), "nothing runs where the program is not there");
    change(&mut daemon, install(&["texinfo"]));
    let lines = |names: &[&str]| {
        names.iter().map(|name| format!("/usr/share/info/{name}.info\n")).collect::<String>()
    };
    let made = || fs::read_to_string(&index).expect("the index of manuals");
    assert_eq!(made(), lines(&["b", "z"]), "a new program goes through all of them");
    change(&mut daemon, install(&["a"]));
    assert_eq!(made(), lines(&["a", "b", "z"]), "once each, whatever came last");
    let remove = |names: &[&str]| Wish {
        remove: names.iter().map(ToString::to_string).collect(),
        ..Wish::default()
    };
    change(&mut daemon, remove(&["b"]));
    assert_eq!(made(), lines(&["a", "z"]));
    change(&mut daemon, remove(&["a", "z"]));
    assert!(!index.exists(), "an index of nothing is none");
    assert!(!verify(&mut daemon, false).alarm);
}

#[test]
fn the_index_of_manual_pages_is_that_of_those_there() {
    // What is left of an earlier run would show as a file too many.
    let script = "for page in /usr/share/man/man1/*; do : > /var/cache/man/${page##*/}; done\n";
    let page =
        |name: &str| format!("mkdir -p /usr/share/man/man1\n: > /usr/share/man/man1/{name}.1\n");
    let (program, a, b) = (impostor_of("/usr/bin/mandb", script), page("a"), page("b"));
    let (_recipes, root, mut daemon) = packed(&[("man-db", &program), ("a", &a), ("b", &b)]);
    change(&mut daemon, install(&["man-db"]));
    change(&mut daemon, install(&["a"]));
    // It takes long, and not every system wants it.
    assert!(!root.path().join("current/var/cache/man/a.1").exists());
    let asked = root.path().join("current/etc/minos/triggers");
    fs::create_dir_all(&asked).expect("folders");
    fs::write(asked.join("mandb"), "enabled\n").expect("a file");
    change(&mut daemon, install(&["b"]));
    let made = || {
        let folder = fs::read_dir(root.path().join("current/var/cache/man")).expect("a folder");
        let mut names: Vec<_> = folder.map(|e| e.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(made(), ["a.1", "b.1"]);
    change(&mut daemon, Wish { remove: vec!["b".to_owned()], ..Wish::default() });
    assert_eq!(made(), ["a.1"]);
}

#[test]
fn a_trigger_that_fails_takes_the_change_back_with_its_words() {
    let error = refused("echo the disk is on fire\nexit 3\n");
    assert!(error.what.contains("status 3") && error.what.contains("the disk is on fire"));
}

#[test]
fn a_trigger_cannot_write_elsewhere() {
    let tries = "for path in /usr/evil /usr/bin/dash /evil /proc/sys/kernel/hostname; do\n\
                 if (echo x >> $path) 2>/dev/null; then echo wrote $path; fi\ndone\n\
                 echo tried all\nexit 9\n";
    let error = refused(tries);
    assert!(error.what.contains("tried all") && !error.what.contains("wrote"), "{error}");
}

#[test]
fn what_a_trigger_may_not_make_takes_the_change_back() {
    let error = refused("echo x > /etc/shadow\n");
    assert!(error.what.contains("/etc/shadow"), "{error}");
}

#[test]
fn a_trigger_cannot_fill_the_disk() {
    let double = "s=x\nfor n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do s=$s$s; done\n";
    let error = refused(&format!("{double}while echo $s; do :; done > /etc/ld.so.cache\n"));
    assert!(error.what.contains("signal 25"), "the size of a file is bounded (SIGXFSZ): {error}");
}

#[test]
fn a_trigger_with_survivors_has_failed() {
    let error = refused("(while :; do :; done) &\nexit 0\n");
    assert!(error.what.contains("behind"), "{error}");
}

/// What it forks stays: children that fork two and go can die out at the limit, and nothing is left to tell.
#[test]
fn a_trigger_that_forks_without_end_is_bounded() {
    let error = refused("while :; do read line < /dev/ptmx & done\n");
    assert!(error.what.contains("behind") || error.what.contains("status"), "{error}");
}

#[test]
fn a_trigger_that_hangs_is_killed() {
    let error = refused_with(&["--trigger-seconds", "2"], "echo waiting\nread line < /dev/ptmx\n");
    assert!(
        error.what.contains("not done after 2s, killed") && error.what.contains("waiting"),
        "{error}"
    );
}

#[test]
fn a_pkgd_killed_during_a_trigger_leaves_the_system_as_it_was() {
    let (_recipes, root, mut daemon) =
        packed(&[("fake", &impostor("echo x > /etc/ld.so.cache\nread line < /dev/ptmx\n"))]);
    let plan = propose(&mut daemon, install(&["fake"])).expect("an answer").plan.expect("a plan");
    let pid = Pid::from_raw(i32::try_from(daemon.pid()).expect("a pid"));
    thread::scope(|scope| {
        scope.spawn(|| {
            wait_for_trigger(&root);
            kill(pid, Signal::SIGKILL).expect("killed");
        });
        let request = PackageRequest::Apply { plan: plan.to_string() };
        let asked = daemon.call(&minos_proto::Request::Package(request));
        assert!(asked.is_err(), "nobody is there to answer");
    });
    drop(daemon);
    let mut daemon = root.start();
    assert_eq!(installed(&mut daemon), Vec::<String>::new());
    assert!(!root.path().join("current").exists());
    let roots = fs::read_dir(root.path().join("roots")).map_or(0, Iterator::count);
    assert_eq!(roots, 0, "the root that was put together is swept");
}

/// pkgctl installs `package` and is sent `signal` while a trigger runs.
fn interrupted(root: &Root, package: &str, signal: Signal) -> ExitStatus {
    let mut command = Command::new(artefacts::binary("pkgctl"));
    command.arg("--root").arg(root.path()).args(["install", "--yes", package]);
    let mut pkgctl = command.spawn().expect("pkgctl runs");
    wait_for_trigger(root);
    kill(Pid::from_raw(i32::try_from(pkgctl.id()).expect("a pid")), signal).expect("sent");
    pkgctl.wait().expect("an end")
}

/// What was begun and never ended, or ended and was recorded nowhere, is what other package managers leave to somebody
/// who presses Ctrl-C or whose console hangs up.
#[test]
fn a_change_goes_on_when_pkgctl_goes_away() {
    let slow = "n=0\nwhile [ $n -lt 3000000 ]; do n=$((n+1)); done\n";
    let (_recipes, root, mut daemon) = packed(&[("fake", &impostor(slow)), ("other", OTHER)]);
    let ctrl_c = interrupted(&root, "fake", Signal::SIGINT);
    assert_eq!(ctrl_c.code(), Some(130), "{ctrl_c}");
    until(|| installed(&mut daemon) == ["fake 1.0-1"]);
    let hang_up = interrupted(&root, "other", Signal::SIGHUP);
    assert_eq!(hang_up.signal(), Some(1), "{hang_up}");
    until(|| installed(&mut daemon) == ["fake 1.0-1", "other 1.0-1"]);
    assert!(!verify(&mut daemon, false).alarm);
    assert!(!root.path().join("scratch/triggers").exists(), "nothing is left behind");
}

/// A program that ran for longer than pkgctl is patient made the change look failed, though it went on to its end. And
/// nobody could find out what went on.
#[test]
fn a_slow_trigger_is_waited_for_and_told_of() {
    let hangs = impostor("read line < /dev/ptmx\n");
    let (_recipes, root, daemon) =
        packed_with(&["--trigger-seconds", "12"], &[("fake", &hangs), ("other", OTHER)]);
    let pkgctl = |words: &[&str]| {
        let mut command = Command::new(artefacts::binary("pkgctl"));
        command.arg("--root").arg(root.path()).args(words).output().expect("pkgctl runs")
    };
    let ended = thread::scope(|scope| {
        let install = || pkgctl(&["install", "--yes", "fake", "--timeout", "7"]);
        let install = scope.spawn(install);
        wait_for_trigger(&root);
        let told = |words: &[&str], code: i32| {
            let ran = pkgctl(words);
            let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
            assert_eq!(ran.status.code(), Some(code), "{said}");
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains("install fake") && said.contains("triggers ldconfig"), "{said}");
        };
        told(&["status"], 0);
        told(&["pin", "1"], 11);
        install.join().expect("an end")
    });
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(9), "it is told how it ended: {said}");
    assert!(said.contains("not done after 12s"), "{said}");
    assert!(!String::from_utf8_lossy(&pkgctl(&["status"]).stdout).contains("changing"));
    drop(daemon);
}

fn wait_for_trigger(root: &Root) {
    let running = root.path().join("scratch/triggers");
    until(|| running.exists());
}

/// Waits for it, as long as for anything.
fn until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it never came");
        thread::sleep(Duration::from_millis(10));
    }
}
