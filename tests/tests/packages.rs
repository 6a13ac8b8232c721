//! The package manager by its requests: outputs become packages, packages become systems that can go back.
#![cfg(feature = "system")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use minos_model::{JobState, StepState};
use minos_proto::{
    ErrorKind, EventBody, Field, PackageRequest, Reply, RepositoryChange, Request, Sheet, Wish,
};
use minos_tests::packages::{ask, change, column, install, installed, propose, verify};
use minos_tests::{Daemon, Recipes, Root};

/// A library-like package and one that needs it: `app` is a script of the program that `runner` brings.
fn recipes() -> Recipes {
    let mut recipes = Recipes::new();
    version(&mut recipes, "runner", "1.0", RUNNER);
    version(&mut recipes, "app", "1.0", APP);
    recipes
}

const RUNNER: &str = "mkdir -p /usr/bin /usr/share/runner\necho 'echo runner 1' > /usr/bin/runner\n\
                      chmod 755 /usr/bin/runner\necho one > /usr/share/runner/data\n";
const APP: &str =
    "mkdir -p /usr/bin\nprintf '#!/usr/bin/runner\\n' > /usr/bin/app\nchmod 755 /usr/bin/app\n";

fn version(recipes: &mut Recipes, name: &str, version: &str, install: &str) {
    recipes.step(name, &[], &[("install", install)]);
    let toml = fs::read_to_string(recipes.file(name, "recipe.toml")).unwrap();
    recipes.write(
        &format!("demo/{name}/recipe.toml"),
        &toml.replace("version = \"1.0\"", &format!("version = \"{version}\"")),
    );
}

fn pack(daemon: &mut Daemon, targets: &[&str]) -> Sheet {
    for target in targets {
        assert_eq!(daemon.build(target).state, JobState::Done, "{target}");
    }
    let targets = targets.iter().map(ToString::to_string).collect();
    ask(daemon, PackageRequest::Pack { targets }).expect("packed")
}

fn current(root: &Root) -> PathBuf {
    let link = fs::read_link(root.path().join("current")).expect("the current root");
    root.path().join(link)
}

fn data(root: &Root) -> String {
    fs::read_to_string(current(root).join("usr/share/runner/data")).expect("a file of the system")
}

/// The whole life of a system: pack, install, update, break, put back, go back, collect, read it up.
#[test]
fn a_system_is_made_changed_broken_mended_and_taken_back() {
    let mut recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let packed = pack(&mut daemon, &["demo/runner", "demo/app"]);
    assert_eq!(column(&packed, "packages", "step"), ["runner", "app"]);
    assert_eq!(
        root.list("packages"),
        ["app-1.0-1.noarch.mpk", "runner-1.0-1.noarch.mpk"],
        "signed files in the machine's own repository"
    );

    let proposal = propose(&mut daemon, install(&["app"])).expect("an answer");
    assert_eq!(column(&proposal.sheet, "changes", "package"), ["app", "runner"]);
    let plan = proposal.plan.unwrap().to_string();
    let applied = ask(&mut daemon, PackageRequest::Apply { plan: plan.clone() }).unwrap();
    assert_eq!(applied.find("generation"), Some(&Field::Number(1)));
    assert_eq!(installed(&mut daemon), ["app 1.0-1", "runner 1.0-1"]);
    assert_eq!(data(&root), "one\n");
    let again = ask(&mut daemon, PackageRequest::Apply { plan }).unwrap_err();
    assert!(again.what.contains("generation"), "a stale plan is refused: {again}");

    // The next version of one of them.
    drop(daemon);
    version(&mut recipes, "runner", "2.0", &RUNNER.replace("echo one", "echo two"));
    let mut daemon = root.start();
    pack(&mut daemon, &["demo/runner"]);
    change(&mut daemon, Wish { upgrade: true, ..Wish::default() });
    assert_eq!(installed(&mut daemon), ["app 1.0-1", "runner 2.0-1"]);
    assert_eq!(data(&root), "two\n");

    // Somebody breaks it.
    let file = current(&root).join("usr/share/runner/data");
    fs::remove_file(&file).unwrap();
    fs::write(&file, "broken\n").unwrap();
    fs::remove_file(current(&root).join("usr/bin/app")).unwrap();
    let found = verify(&mut daemon, false);
    assert!(found.alarm);
    assert_eq!(column(&found, "findings", "path"), ["/usr/bin/app", "/usr/share/runner/data"]);
    verify(&mut daemon, true);
    assert!(!verify(&mut daemon, false).alarm);
    assert_eq!(data(&root), "two\n");

    let outlook = PackageRequest::Rollback { steps: 1, dry_run: true };
    let outlook = ask(&mut daemon, outlook).unwrap();
    assert_eq!(column(&outlook, "packages", "after"), ["1.0-1"]);
    assert_eq!(outlook.find("to"), Some(&Field::Number(1)));
    assert_eq!(outlook.find("paths_changed"), Some(&Field::Number(1)));
    assert_eq!(data(&root), "two\n", "a look changes nothing");
    ask(&mut daemon, PackageRequest::Rollback { steps: 1, dry_run: false }).unwrap();
    assert_eq!(installed(&mut daemon), ["app 1.0-1", "runner 1.0-1"]);
    assert_eq!(data(&root), "one\n");
    let diff = PackageRequest::Diff { from: Some(1), to: Some(2), files: true };
    let diff = ask(&mut daemon, diff).unwrap();
    assert_eq!(column(&diff, "packages", "package"), ["runner"]);
    assert_eq!(column(&diff, "paths", "path"), ["/usr/share/runner/data"]);

    let gone =
        ask(&mut daemon, PackageRequest::Collect { dry_run: false, keep: Some(1), only: None })
            .unwrap();
    let left = ask(&mut daemon, PackageRequest::Generations).unwrap();
    assert_eq!(
        column(&left, "generations", "generation"),
        ["2", "1"],
        "newest and current: {gone:?}"
    );

    // All of it is read back by another pkgd.
    daemon.kill();
    let mut daemon = root.start();
    let history = ask(&mut daemon, PackageRequest::History { limit: 0, package: None }).unwrap();
    let what = column(&history, "transactions", "what");
    assert_eq!(what.len(), 3, "{what:?}");
    assert!(what[0].starts_with("switch"), "{what:?}");
    assert_eq!(what[2], "install app");
    let clean =
        ask(&mut daemon, PackageRequest::Database(minos_proto::DatabaseTask::Verify)).unwrap();
    assert!(!clean.alarm, "{clean:?}");
}

/// What the solver and the file checks refuse is told, and changes nothing.
#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["demo/app"]);
    let alone = propose(&mut daemon, install(&["app"])).unwrap_err();
    assert!(alone.what.contains("runner"), "the missing program is named: {alone}");
    let unknown = propose(&mut daemon, install(&["ap"])).unwrap_err();
    assert!(unknown.what.contains("no package is called ap"), "{unknown}");
    assert!(unknown.hint.contains("app"), "{unknown}");
    let missing = ask(&mut daemon, PackageRequest::Info { names: vec!["ap".into()] }).unwrap_err();
    assert!(missing.hint.contains("app"), "{missing}");
    let unbuilt = ask(&mut daemon, PackageRequest::Pack { targets: vec!["demo/runner".into()] });
    assert!(unbuilt.unwrap_err().hint.contains("pkgctl build runner"));
    assert!(!root.path().join("current").exists());
}

/// A hold keeps a package as it is, a pin keeps it inside some versions; both are told, and can be let go of.
#[test]
fn holds_and_pins_bind_the_solver() {
    let mut recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["demo/runner"]);
    change(&mut daemon, install(&["runner"]));
    drop(daemon);
    version(&mut recipes, "runner", "2.0", &RUNNER.replace("echo one", "echo two"));
    let mut daemon = root.start();
    pack(&mut daemon, &["demo/runner"]);
    let upgrade = || Wish { upgrade: true, ..Wish::default() };
    let hold = |text: &str, release: bool| PackageRequest::Hold {
        names: vec![text.into()],
        release,
        note: "a test".into(),
    };
    for text in ["runner", "runner<2"] {
        let held = ask(&mut daemon, hold(text, false)).expect("held");
        assert_eq!(column(&held, "holds", "package"), [text]);
        assert_eq!(propose(&mut daemon, upgrade()).expect("an answer").plan, None, "{text}");
        let none = ask(&mut daemon, hold(text, true)).expect("let go of");
        assert!(column(&none, "holds", "package").is_empty());
    }
    assert!(ask(&mut daemon, hold("run ner", false)).is_err());
    // A name that nobody has keeps nothing: it was taken without a word.
    for text in ["runer", "runer<2"] {
        let names = vec!["runner".into(), text.into()];
        let none = PackageRequest::Hold { names, release: false, note: String::new() };
        let none = ask(&mut daemon, none).expect_err("no such package");
        assert_eq!((none.kind, none.hint.as_str()), (ErrorKind::NotFound, "is it one of: runner?"));
    }
    let none = ask(&mut daemon, hold("runner", true)).expect_err("nothing of it was kept");
    assert_eq!(none.kind, ErrorKind::NotFound, "{none}");
    change(&mut daemon, upgrade());
    assert_eq!(data(&root), "two\n");
    let back = Wish { downgrade: true, ..install(&["runner=1.0"]) };
    propose(&mut daemon, install(&["runner=1.0"])).expect_err("never by accident");
    change(&mut daemon, back);
    assert_eq!(data(&root), "one\n");
}

/// A sysroot has exactly a package and what it needs, can be written where that was asked for, and goes without
/// a trace: by its name, or with its link.
#[test]
fn a_sysroot_has_what_was_asked_for_and_goes_again() {
    let mut recipes = recipes();
    version(&mut recipes, "other", "1.0", "mkdir -p /usr/share\necho other > /usr/share/other\n");
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["demo/runner", "demo/app", "demo/other"]);
    change(&mut daemon, install(&["app", "other"]));
    let link = root.path().join("link");
    let sysroot = |place: &str, packages: &[&str], writable: bool| PackageRequest::Sysroot {
        name: place.to_owned(),
        packages: packages.iter().map(ToString::to_string).collect(),
        writable,
    };
    let made = ask(&mut daemon, sysroot(&shown(&link), &["app"], true)).expect("made");
    assert_eq!(made.find("packages"), Some(&Field::Number(2)));
    assert_eq!(fs::read_to_string(link.join("usr/share/runner/data")).unwrap(), "one\n");
    assert!(!link.join("usr/share/other").exists());
    fs::write(link.join("usr/share/runner/data"), "mine\n").unwrap();
    assert_eq!(data(&root), "one\n", "a copy of its own");

    ask(&mut daemon, sysroot("by-name", &["other"], false)).expect("made");
    let list = ask(&mut daemon, PackageRequest::Sysroots).unwrap();
    assert_eq!(column(&list, "sysroots", "sysroot").len(), 2, "{list:?}");
    ask(&mut daemon, sysroot("by-name", &[], false)).expect("gone");
    let none = ask(&mut daemon, sysroot("by-name", &[], false)).expect_err("it is gone already");
    assert_eq!(none.kind, ErrorKind::NotFound, "{none}");
    fs::remove_file(&link).unwrap();
    ask(&mut daemon, PackageRequest::Collect { dry_run: false, keep: None, only: None })
        .expect("collected");
    assert!(root.list("sysroots").is_empty(), "{:?}", root.list("sysroots"));
    ask(&mut daemon, sysroot("Not A Name", &["app"], false)).expect_err("a name is a name");
    ask(&mut daemon, sysroot("x", &["nosuch"], false)).expect_err("only what is installed");
}

/// A step that changes files of its inputs has them in its own output: two packages of one path, which no system
/// can have both of. gcc once stripped binutils' programs so.
#[test]
fn a_step_with_files_of_another_in_its_output_is_warned_about() {
    let mut recipes = Recipes::new();
    recipes.step(
        "m4",
        &[],
        &[("install", "mkdir -p /usr/bin\necho m4 > /usr/bin/m4\necho x > /usr/x\n")],
    );
    let install =
        "echo other > /usr/bin/m4\necho x > /usr/y\nmv /usr/y /usr/x\necho own > /usr/own\n";
    recipes.step("gcc", &["m4"], &[("install", install)]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    assert_eq!(daemon.build("demo/gcc").state, JobState::Done);
    let Ok(Reply::Events(events)) = daemon.call(&Request::Events { job: None, limit: 0 }) else {
        panic!("no events");
    };
    let warnings: Vec<String> = events
        .iter()
        .filter_map(|recorded| match &recorded.event.body {
            EventBody::StepClobbers { step, clobbers } => Some(format!("{step} {clobbers}")),
            _ => None,
        })
        .collect();
    assert_eq!(warnings, ["gcc clobbers: replaces 2 paths of m4 (1 unchanged): /usr/bin/m4"]);
    let targets = ["demo/m4", "demo/gcc"].map(str::to_owned).to_vec();
    ask(&mut daemon, PackageRequest::Pack { targets }).expect("packed");
    let both = Wish { install: vec!["m4".into(), "gcc".into()], ..Wish::default() };
    let refused = propose(&mut daemon, both).expect_err("one path, two packages");
    assert!(
        refused.what.contains("/usr/bin/m4") || refused.what.contains("usr/bin/m4"),
        "{refused}"
    );
}

/// A sysroot of links was a way into the store: who wrote into one of its files wrote into every generation.
#[test]
fn a_sysroot_of_links_cannot_be_written_and_outlives_pkgd() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["demo/runner"]);
    change(&mut daemon, install(&["runner"]));
    let sysroot = |packages: &[&str]| PackageRequest::Sysroot {
        name: "tools".to_owned(),
        packages: packages.iter().map(ToString::to_string).collect(),
        writable: false,
    };
    let file = root.path().join("sysroots/tools/usr/share/runner/data");
    let state = |daemon: &mut Daemon| {
        column(&ask(daemon, PackageRequest::Sysroots).unwrap(), "sysroots", "state")
    };
    let check = |daemon: &mut Daemon, when: &str| {
        assert_eq!(state(daemon), ["read-only"], "{when}");
        let written = fs::write(&file, "mine\n").expect_err(when);
        assert_eq!(written.kind(), std::io::ErrorKind::ReadOnlyFilesystem, "{when}");
        fs::remove_file(&file).expect_err(when);
        assert_eq!(fs::read_to_string(&file).unwrap(), "one\n", "{when}");
    };
    ask(&mut daemon, sysroot(&["runner"])).expect("made");
    check(&mut daemon, "made");
    ask(&mut daemon, sysroot(&["runner"])).expect("made in the place of itself");
    check(&mut daemon, "made again");
    // A pkgd that is killed leaves the mount, one that ends takes it along; the next has it again either way.
    let pid = nix::unistd::Pid::from_raw(daemon.pid().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    drop(daemon);
    let mut daemon = root.start();
    check(&mut daemon, "after a kill");
    assert!(daemon.stop().success());
    assert!(!file.exists(), "an empty folder, and no way into the store");
    let mut daemon = root.start();
    check(&mut daemon, "after a restart");
    // Nobody's work is cut off, and nothing is half taken away.
    let open = fs::File::open(&file).unwrap();
    let error = ask(&mut daemon, sysroot(&[])).expect_err("somebody reads in it");
    assert!(error.what.contains("unmounted"), "{error}");
    check(&mut daemon, "still there");
    drop(open);
    ask(&mut daemon, sysroot(&[])).expect("gone");
    assert!(root.list("sysroots").is_empty(), "{:?}", root.list("sysroots"));
    assert!(!verify(&mut daemon, false).alarm);
}

/// What the `[package]` table of a recipe says: config files are merged, users own files, conflicts are kept apart.
#[test]
fn the_package_table_of_a_recipe_counts() {
    let table = "[package]\nconfig = [\"/etc/runner.conf\"]\nconflicts = [\"rival\"]\n\
                 [[package.group]]\nname = \"runner\"\n[[package.user]]\nname = \"runner\"\ngroup = \"runner\"\n\
                 [package.owners]\n7 = \"runner\"\n[package.sysctl]\n\"kernel.panic\" = \"9\"\n\
                 [[package.directory]]\npath = \"/var/cache/runner\"\nmode = 0o700\nuser = \"runner\"\n\
                 [[package.link]]\npath = \"/usr/bin/run\"\ntarget = \"runner\"\n\
                 [[package.service]]\nname = \"runner\"\nenable = false\n";
    let script = |port: u32| {
        format!(
            "mkdir -p /etc /var/lib/runner\nprintf 'name = x\\n\\n\\n\\nport = {port}\\n' > /etc/runner.conf\n\
             chown 7:7 /var/lib/runner\nmkdir -p /usr/lib/minos/services\n\
             echo 'exec = [\"/usr/bin/true\"]' > /usr/lib/minos/services/runner.toml\n"
        )
    };
    let mut recipes = Recipes::new();
    recipes.step_with("runner", &[], &[("install", &script(1))], table);
    recipes.step("rival", &[], &[]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["demo/runner", "demo/rival"]);
    change(&mut daemon, install(&["runner"]));
    let owner = fs::metadata(current(&root).join("var/lib/runner")).unwrap().uid();
    assert!((100..1000).contains(&owner), "a number of the system's own: {owner}");
    let read = |path: &str| fs::read_to_string(current(&root).join(path)).unwrap();
    let passwd = format!("runner:x:{owner}:");
    assert!(read("etc/passwd").starts_with(&passwd) && read("etc/group").starts_with("runner:x:"));
    assert_eq!(read("etc/sysctl.d/50-runner.conf"), "kernel.panic = 9\n");
    assert_eq!(read("etc/minos/services.d/runner"), "runner disabled\n");
    let cache = fs::metadata(current(&root).join("var/cache/runner")).unwrap();
    assert_eq!((cache.uid(), cache.mode() & 0o7777), (owner, 0o700));
    let link = fs::read_link(current(&root).join("usr/bin/run")).unwrap();
    assert_eq!(link, Path::new("runner"));
    assert!(!verify(&mut daemon, false).alarm);
    let refused = propose(&mut daemon, install(&["rival"])).unwrap_err();
    assert!(refused.what.contains("conflict"), "{refused}");

    // The user edits one end of the file, the next version changes the other.
    let conf = current(&root).join("etc/runner.conf");
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, text.replace("name = x", "name = mine")).unwrap();
    drop(daemon);
    recipes.step_with("runner", &[], &[("install", &script(2))], table);
    let toml = fs::read_to_string(recipes.file("runner", "recipe.toml")).unwrap();
    recipes.write("demo/runner/recipe.toml", &toml.replace("\"1.0\"", "\"1.1\""));
    let mut daemon = root.start();
    pack(&mut daemon, &["demo/runner"]);
    let applied = change(&mut daemon, Wish { upgrade: true, ..Wish::default() });
    assert_eq!(column(&applied, "config", "file"), ["/etc/runner.conf"]);
    let merged = fs::read_to_string(current(&root).join("etc/runner.conf")).unwrap();
    assert_eq!(merged, "name = mine\n\n\n\nport = 2\n");
    let same = fs::metadata(current(&root).join("var/lib/runner")).unwrap().uid();
    assert_eq!(same, owner);
    let once = |text: String| text.lines().filter(|line| line.starts_with("runner:")).count();
    assert_eq!(once(fs::read_to_string(current(&root).join("etc/passwd")).unwrap()), 1);

    // Its two lists go with it; a user and a directory with somebody's work in it do not.
    change(&mut daemon, Wish { remove: vec!["runner".into()], ..Wish::default() });
    let there = |path: &str| current(&root).join(path).symlink_metadata().is_ok();
    assert!(!there("etc/sysctl.d/50-runner.conf") && !there("etc/minos/services.d/runner"));
    assert!(there("etc/passwd") && there("var/cache/runner"));
    assert!(!verify(&mut daemon, false).alarm);
}

/// A changed `[package]` table is no reason to build: packing again is enough.
#[test]
fn a_changed_table_builds_nothing_and_makes_another_package() {
    let mut recipes = Recipes::new();
    recipes.step("mailer", &[], &[]);
    recipes.step_with("sender", &[], &[], "[package]\ndepends = [\"cap:mail\"]\n");
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let before = pack(&mut daemon, &["mailer", "sender"]);
    propose(&mut daemon, install(&["sender"])).expect_err("nobody provides cap:mail yet");
    drop(daemon);
    recipes.step_with("mailer", &[], &[], "[package]\nprovides = [\"cap:mail\"]\n");
    let mut daemon = root.start();
    let built = daemon.build("mailer");
    assert_eq!(built.steps[0].state, StepState::Cached, "{:?}", built.steps);
    let after = pack(&mut daemon, &["mailer"]);
    let files = |sheet: &Sheet| column(sheet, "packages", "file");
    assert_eq!(files(&before)[0], files(&after)[0], "the same name and release");
    change(&mut daemon, install(&["sender"]));
    assert_eq!(installed(&mut daemon), ["mailer 1.0-1", "sender 1.0-1"]);
}

/// Packages of somebody else are taken only when the key is trusted, and only as they were signed.
#[test]
fn only_packages_of_trusted_keys_are_taken() {
    let recipes = recipes();
    let theirs = Root::new(recipes.path());
    let mut other = theirs.start();
    pack(&mut other, &["demo/runner"]);
    let keys = theirs.list("keys");
    let public = keys.iter().find(|name| name.ends_with(".pub")).expect("the machine's public key");
    let secret = fs::metadata(theirs.path().join("keys/machine.key")).unwrap().permissions();
    assert_eq!(secret.mode() & 0o777, 0o600);
    let text = fs::read_to_string(theirs.path().join("keys").join(public)).unwrap();
    drop(other);

    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let folder = theirs.path().join("packages");
    let add = RepositoryChange::Add { name: "theirs".into(), path: shown(&folder), priority: 5 };
    let added = ask(&mut daemon, PackageRequest::Repositories(Some(add))).unwrap();
    assert!(added.alarm && added.notes[0].contains("runner-1.0-1.noarch.mpk"), "{added:?}");
    propose(&mut daemon, install(&["runner"])).unwrap_err();

    let trust = minos_proto::KeyChange::Trust { text };
    ask(&mut daemon, PackageRequest::Keys(Some(trust))).unwrap();
    let sync =
        || PackageRequest::Repositories(Some(RepositoryChange::Sync { allow_expired: false }));
    assert!(!ask(&mut daemon, sync()).unwrap().alarm);
    let plan = propose(&mut daemon, install(&["runner"])).unwrap().plan.unwrap().to_string();

    // A flipped bit between plan and apply.
    let file = folder.join("runner-1.0-1.noarch.mpk");
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    fs::write(&file, bad).unwrap();
    let error = ask(&mut daemon, PackageRequest::Apply { plan: plan.clone() }).unwrap_err();
    assert!(error.what.contains("runner"), "{error}");
    assert!(!root.path().join("current").exists());
    fs::write(&file, good).unwrap();
    ask(&mut daemon, PackageRequest::Apply { plan }).expect("the plan still holds");
    assert_eq!(data(&root), "one\n");

    let id = public.trim_end_matches(".pub").to_owned();
    let revoke = minos_proto::KeyChange::Revoke { id, dry_run: false };
    ask(&mut daemon, PackageRequest::Keys(Some(revoke))).unwrap();
    assert!(ask(&mut daemon, sync()).unwrap().alarm, "revoked: nothing of it is offered any more");
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Kill at random moments of install and update: always the system of before or after.
#[test]
fn kills_in_a_transaction_leave_the_system_of_before_or_after() {
    let mut recipes = recipes();
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["demo/runner", "demo/app"]);
    change(&mut daemon, install(&["app"]));
    drop(daemon);
    version(&mut recipes, "runner", "2.0", &RUNNER.replace("echo one", "echo two"));
    let mut daemon = root.start();
    pack(&mut daemon, &["demo/runner"]);
    for round in 0..12_u64 {
        let upgrade = Wish { upgrade: true, ..Wish::default() };
        let Some(plan) = propose(&mut daemon, upgrade).unwrap().plan else {
            ask(&mut daemon, PackageRequest::Rollback { steps: 1, dry_run: false }).unwrap();
            continue;
        };
        let socket = daemon.socket().to_owned();
        let killer = std::thread::spawn({
            let pid = daemon.pid().cast_signed();
            move || {
                std::thread::sleep(std::time::Duration::from_micros(700 * round));
                let pid = nix::unistd::Pid::from_raw(pid);
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
        });
        let _ = daemon.call(&Request::Package(PackageRequest::Apply { plan: plan.to_string() }));
        killer.join().unwrap();
        drop(daemon);
        let _ = fs::remove_file(socket);
        daemon = root.start();
        let version = if data(&root) == "one\n" { "1.0-1" } else { "2.0-1" };
        assert_eq!(
            installed(&mut daemon),
            ["app 1.0-1".into(), format!("runner {version}")],
            "round {round}"
        );
        assert!(!verify(&mut daemon, false).alarm, "round {round}");
        let clean = PackageRequest::Database(minos_proto::DatabaseTask::Verify);
        assert!(!ask(&mut daemon, clean).unwrap().alarm, "round {round}");
    }
}
