//! What pkgd does so that a generation can boot: its plan, its mount points, what is asked of init, what init said.
#![cfg(feature = "system")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use minos_model::JobState;
use minos_proto::bootplan::{BootPlan, Kind, What};
use minos_proto::bootrec::{Culprit, Reason, Record};
use minos_proto::{BootNext, ErrorKind, PackageRequest, Request, Wish};
use minos_tests::packages::{ask, change, column, install, propose, verify};
use minos_tests::trials::write_record;
use minos_tests::{Daemon, Recipes, Root};

/// Compiles a program that does nothing and needs no library.
fn program(name: &str) -> String {
    format!(
        "mkdir -p /usr/sbin\necho 'int main(void) {{ return 0; }}' > one.c\n\
         gcc -static one.c -o /usr/sbin/{name}\n"
    )
}

/// Writes a file of a service or a check.
fn unit(kind: &str, name: &str, text: &str) -> String {
    let folder = format!("/usr/lib/minos/{kind}");
    format!("mkdir -p {folder}\ncat > {folder}/{name}.toml <<'END'\n{text}\nEND\n")
}

fn enabled(name: &str) -> String {
    format!("[[package.service]]\nname = \"{name}\"\nenable = true\n")
}

/// A package with a service of its name that starts the package's own program.
fn service(recipes: &mut Recipes, name: &str, more: &str) {
    let text = format!("exec = [\"/usr/sbin/{name}\"]\n{more}");
    let script = program(name) + &unit("services", name, &text);
    recipes.step_with(name, &[], &[("install", &script)], &enabled(name));
}

fn pack(daemon: &mut Daemon, names: &[&str]) {
    for name in names {
        assert_eq!(daemon.build(name).state, JobState::Done, "{name}");
    }
    let targets = names.iter().map(ToString::to_string).collect();
    ask(daemon, PackageRequest::Pack { targets }).expect("packed");
}

fn current(root: &Root) -> PathBuf {
    root.path().join(fs::read_link(root.path().join("current")).expect("the current root"))
}

fn plan(root: &Root) -> BootPlan {
    let bytes = fs::read(current(root).join("usr/lib/minos/boot.plan")).expect("a plan");
    BootPlan::decode(&bytes).expect("a plan that init takes")
}

fn names(plan: &BootPlan) -> (Vec<&str>, Vec<&str>) {
    let services = plan.services.iter().map(|s| s.name.as_str());
    (services.collect(), plan.checks.iter().map(|c| c.name.as_str()).collect())
}

/// Services and checks of packages and of the user become a plan, which goes with the generation; so do the places to
/// mount on.
#[test]
fn a_generation_has_the_plan_of_its_services_and_checks() {
    let mut recipes = Recipes::new();
    service(&mut recipes, "wait", "kind = \"oneshot\"\ndeadline_s = 7\n");
    service(
        &mut recipes,
        "web",
        "after = [\"wait\"]\nnotify = true\nrestart = 0\nrequired = true\n",
    );
    let check = program("look") + &unit("checks", "look", "exec = [\"/usr/sbin/look\", \"-x\"]");
    recipes.step_with("look", &[], &[("install", &check)], "");
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["wait", "web", "look"]);

    change(&mut daemon, install(&["look"]));
    let first = plan(&root);
    assert_eq!(names(&first), (vec![], vec!["pkgd", "root", "console", "look"]));
    assert_eq!((first.hostname.as_str(), &first.checks[0].what), ("minos", &What::PkgdReady));
    for (folder, mode) in [("tmp", 0o1777), ("root", 0o700), ("proc", 0o555), ("state", 0o755)] {
        let found = fs::metadata(current(&root).join(folder)).unwrap().permissions();
        assert_eq!(found.mode() & 0o7777, mode, "{folder}");
    }

    // The user's own check and the machine's name count from the next change on.
    fs::write(current(&root).join("etc/hostname"), "oven\n").unwrap();
    let mine = "exec = [\"/usr/sbin/look\"]\ndeadline_s = 9\n";
    fs::write(current(&root).join("etc/minos/checks/mine.toml"), mine).unwrap();
    change(&mut daemon, install(&["web", "wait"]));
    let second = plan(&root);
    let checks = vec!["pkgd", "root", "console", "web", "look", "mine"];
    assert_eq!(names(&second), (vec!["wait", "web"], checks));
    assert_eq!(second.hostname.as_str(), "oven");
    let (wait, web) = (&second.services[0], &second.services[1]);
    assert_eq!((wait.kind, wait.deadline_ms, wait.restart_limit), (Kind::Oneshot, 7000, 5));
    assert_eq!((web.after, web.notify, web.restart_limit), (1, true, 0));
    assert_eq!(web.command.program(), "/usr/sbin/web");
    assert_eq!((&second.checks[3].what, second.checks[5].deadline_ms), (&What::ServiceUp(1), 9000));
    let sum: u32 = second.checks.iter().map(|check| check.deadline_ms).sum();
    assert_eq!(second.gate_ms, sum);
    // What the running system writes into /etc is no damage: the check of the root must pass.
    fs::write(current(&root).join("etc/resolv.conf"), "nameserver 192.0.2.1\n").unwrap();
    let found = verify(&mut daemon, false);
    assert!(!found.alarm, "{found:?}");
    let added = found.find("added").map(minos_tests::packages::text);
    assert_eq!(added.as_deref(), Some("/etc/resolv.conf"));

    ask(&mut daemon, PackageRequest::Rollback { steps: 1, dry_run: false }).expect("back");
    assert_eq!(plan(&root), first);
    ask(&mut daemon, PackageRequest::Switch { generation: 2, dry_run: false })
        .expect("and forward");
    assert_eq!(plan(&root), second);
    change(&mut daemon, Wish { remove: vec!["web".into()], ..Wish::default() });
    assert_eq!(names(&plan(&root)).0, ["wait"], "the plan follows what is installed");
}

/// A package's word about its service is a default. What the user says comes along, counts from the next change on,
/// and is refused where it cannot be meant.
#[test]
fn the_user_switches_services_on_and_off() {
    let mut recipes = Recipes::new();
    service(&mut recipes, "loud", "");
    let quiet = program("quiet") + &unit("services", "quiet", "exec = [\"/usr/sbin/quiet\"]");
    recipes.step_with(
        "quiet",
        &[],
        &[("install", &quiet)],
        "[[package.service]]\nname = \"quiet\"\n",
    );
    service(&mut recipes, "behind", "after = [\"quiet\"]\n");
    recipes.step("other", &[], &[]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["loud", "quiet", "behind", "other"]);
    change(&mut daemon, install(&["loud", "quiet"]));
    assert_eq!(names(&plan(&root)).0, ["loud"], "as the packages say");

    let say = |name: &str, word: &str| {
        fs::write(current(&root).join("etc/minos/services").join(name), word).expect("said");
    };
    say("loud", "disabled\n");
    say("quiet", "enabled");
    say("of-no-package", "enabled\n");
    change(&mut daemon, install(&["behind"]));
    assert_eq!(names(&plan(&root)).0, ["quiet", "behind"], "as the user says");

    let mut refused = |name: &str, word: &str| {
        say(name, word);
        let plan = propose(&mut daemon, install(&["other"])).expect("an answer").plan.unwrap();
        ask(&mut daemon, PackageRequest::Apply { plan: plan.to_string() })
            .expect_err("refused")
            .what
    };
    let behind = refused("quiet", "disabled\n");
    assert!(behind.contains("service behind of package behind starts behind 'quiet'"), "{behind}");
    let bad = refused("quiet", "on\n");
    assert!(bad.contains("/etc/minos/services/quiet says 'on': write 'enabled'"), "{bad}");
}

/// Compiles `/usr/sbin/NAME` against a library of its own in `/opt/NAME`, with these linker options.
fn with_library(name: &str, options: &str) -> String {
    let text = format!("exec = [\"/usr/sbin/{name}\"]");
    format!(
        "mkdir -p /opt/{name} /usr/sbin\necho 'int own(void) {{ return 0; }}' > own.c\n\
         echo 'int own(void); void _start(void) {{ own(); for (;;); }}' > main.c\n\
         gcc -shared -fPIC -nostdlib own.c -o /opt/{name}/libown.so\n\
         gcc -nostdlib main.c -o /usr/sbin/{name} -L/opt/{name} -lown \
         -Wl,--dynamic-linker=/opt/ld.so {options}\n"
    ) + &unit("services", name, &text)
}

/// A copy of the seed's loader, where the programs of these tests ask for it.
const LOADER: &str = "mkdir -p /opt\ncp -L /usr/lib64/ld-linux-x86-64.so.2 /opt/ld.so\n";

/// What would not start is refused before anything changes, by the names of service and package.
#[test]
fn a_generation_that_could_not_boot_is_refused() {
    let mut recipes = Recipes::new();
    let toml = |text: &str| unit("services", "it", text);
    let cases = [
        ("gone", toml("exec = [\"/usr/sbin/nothing\"]"), "/usr/sbin/nothing is not in the root"),
        (
            "plain",
            toml("exec = [\"/usr/lib/minos/services/it.toml\"]"),
            "/usr/lib/minos/services/it.toml is not executable",
        ),
        (
            "alone",
            toml("exec = [\"/usr/sbin/it\"]\nafter = [\"nobody\"]") + &program("it"),
            "starts behind 'nobody', which no enabled service is called",
        ),
        (
            "script",
            toml("exec = [\"/opt/run\"]")
                + "mkdir -p /opt\nprintf '#!/opt/shell -e\\n' > /opt/run\nchmod 755 /opt/run\n",
            "/opt/run is run by /opt/shell: /opt/shell is not in the root",
        ),
        ("dir", toml("exec = [\"/usr/lib\"]"), "/usr/lib: it is no regular file"),
        ("lost", with_library("it", "") + LOADER, "/usr/sbin/it needs libown.so, which is not in"),
        (
            "unloaded",
            with_library("it", "-Wl,-rpath,/opt/it"),
            "/usr/sbin/it is loaded by /opt/ld.so: ",
        ),
        (
            "twice",
            unit("checks", "root", "exec = [\"/usr/sbin/it\"]")
                + &program("it")
                + &toml("exec = [\"/usr/sbin/it\"]"),
            "another check has this name",
        ),
    ];
    for (name, script, _) in &cases {
        // Their own needs are met, or not looked for: what is refused is refused by the plan.
        let table = format!("[package]\nignore = [\"file:/opt/shell\"]\n{}", enabled("it"));
        let script = format!("mkdir -p /usr/share/{name}\n{script}");
        recipes.step_with(name, &[], &[("install", &script)], &table);
    }
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    for (name, _, why) in &cases {
        pack(&mut daemon, &[name]);
        let proposal = propose(&mut daemon, install(&[name])).expect(name);
        let plan = proposal.plan.expect("something to do").to_string();
        let refused = ask(&mut daemon, PackageRequest::Apply { plan }).expect_err(name);
        assert_eq!(refused.kind, ErrorKind::Unsolvable, "{name}: {refused}");
        assert!(refused.what.contains(why), "{name}: {refused}");
        if *name != "twice" {
            assert!(refused.what.contains(&format!("service it of package {name}")), "{refused}");
        }
        assert!(!root.path().join("current").exists(), "{name}");
    }
}

/// They were signed all the same, and refused by whoever installed them.
#[test]
fn a_package_whose_service_nobody_could_start_is_not_made() {
    let mut recipes = Recipes::new();
    let cases = [
        ("bare", String::new(), "/usr/lib/minos/services/it.toml is not in the root"),
        (
            "typo",
            unit("services", "it", "exce = [\"/usr/sbin/it\"]"),
            "line 1: unknown field `exce`",
        ),
    ];
    for (name, script, _) in &cases {
        let script = format!("mkdir -p /usr/share/{name}\n{script}");
        recipes.step_with(name, &[], &[("install", &script)], &enabled("it"));
    }
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    for (name, _, why) in &cases {
        assert_eq!(daemon.build(name).state, JobState::Done, "{name}");
        let targets = vec![(*name).to_owned()];
        let refused = ask(&mut daemon, PackageRequest::Pack { targets }).expect_err(name);
        assert_eq!(refused.kind, ErrorKind::Invalid, "{name}: {refused}");
        let what = format!("{name} cannot be packed: service it");
        assert!(refused.what.contains(&what) && refused.what.contains(why), "{refused}");
    }
}

/// A library that the loader finds, by the program's own list or the machine's, is good.
#[test]
fn libraries_are_looked_for_where_the_loader_looks() {
    let conf = "mkdir -p /etc/ld.so.conf.d\necho 'include ld.so.conf.d/*.conf' > /etc/ld.so.conf\n\
                echo /opt/listed > /etc/ld.so.conf.d/listed.conf\n";
    let mut recipes = Recipes::new();
    recipes.step("loader", &[], &[("install", LOADER)]);
    let origin = with_library("origin", "-Wl,-rpath,'$ORIGIN/../../opt/origin'");
    recipes.step_with("origin", &[], &[("install", &origin)], &enabled("origin"));
    let listed = with_library("listed", "") + conf;
    recipes.step_with("listed", &[], &[("install", &listed)], &enabled("listed"));
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["loader", "origin", "listed"]);
    change(&mut daemon, install(&["loader", "origin", "listed"]));
    assert_eq!(names(&plan(&root)).0, ["listed", "origin"]);
}

/// Services that wait for each other, and more than init has room for.
#[test]
fn cycles_and_too_many_services_are_refused() {
    let mut recipes = Recipes::new();
    service(&mut recipes, "egg", "after = [\"hen\"]\n");
    service(&mut recipes, "hen", "after = [\"egg\"]\n");
    let (mut script, mut table) = (program("many"), String::new());
    for n in 0..25 {
        script += &unit("services", &format!("s{n}"), "exec = [\"/usr/sbin/many\"]");
        table += &enabled(&format!("s{n}"));
    }
    recipes.step_with("many", &[], &[("install", &script)], &table);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["egg", "hen", "many"]);
    let mut refused = |names: &[&str]| {
        let plan = propose(&mut daemon, install(names)).expect("an answer").plan.unwrap();
        ask(&mut daemon, PackageRequest::Apply { plan: plan.to_string() }).expect_err("refused")
    };
    let cycle = refused(&["egg", "hen"]);
    assert!(cycle.what.contains("the services egg, behind hen, behind egg wait"), "{cycle}");
    let many = refused(&["many"]);
    assert!(many.what.contains("25 services are enabled, at most 24"), "{many}");
}

/// The initramfs stays the one that the disk was made with. Its pkgctl did not speak to a pkgd of a later version, and
/// every update that brought one failed the check of the root.
#[test]
fn a_generation_with_a_pkgd_of_its_own_is_looked_at_by_its_own_pkgctl() {
    let mut recipes = Recipes::new();
    service(&mut recipes, "pkgd", "");
    let moved = program("pkgctl") + "mkdir -p /usr/bin\nmv /usr/sbin/pkgctl /usr/bin/pkgctl\n";
    recipes.step("client", &[], &[("install", &moved)]);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["pkgd", "client"]);
    let looks = |daemon: &mut Daemon, name| {
        change(daemon, install(&[name]));
        let What::Command(command) = plan(&root).checks[1].what.clone() else {
            panic!("a command")
        };
        command.program().to_owned()
    };
    assert_eq!(looks(&mut daemon, "pkgd"), "/run/initramfs/bin/pkgctl", "it has no other");
    assert_eq!(looks(&mut daemon, "client"), "/usr/bin/pkgctl");
}

fn next(root: &Root) -> Option<BootNext> {
    fs::read(root.path().join("boot/next")).ok().map(|b| BootNext::decode(&b).expect("a wish"))
}

/// A root where two generations are made by the package `one` and then `two`.
fn two_generations(recipes: &mut Recipes) -> Root {
    recipes.step("one", &[], &[]);
    recipes.step("two", &[], &[]);
    Root::new(recipes.path()).with(&["--appliance", "--last-boot", "boot 1 was fine"])
}

/// On an appliance each change asks init for the new generation; so does a person. A host has nobody to ask.
#[test]
fn the_next_boot_is_asked_for_with_every_change() {
    let mut recipes = Recipes::new();
    let root = two_generations(&mut recipes);
    let mut daemon = root.start();
    pack(&mut daemon, &["one", "two"]);
    assert_eq!(next(&root), None);
    change(&mut daemon, install(&["one"]));
    let first = next(&root).expect("asked for");
    assert_eq!((first.generation, first.proven, first.tries), (1, false, 3));
    change(&mut daemon, install(&["two"]));
    let second = next(&root).expect("asked for");
    assert_eq!(second.generation, 2);
    assert_ne!(first.id, second.id);
    ask(&mut daemon, PackageRequest::Rollback { steps: 1, dry_run: false }).expect("back");
    assert_eq!(next(&root).unwrap().generation, 1);
    let list = ask(&mut daemon, PackageRequest::Generations).unwrap();
    assert_eq!(column(&list, "generations", "state"), ["", "current,boots next"]);

    let boot = |generation, tries| PackageRequest::Boot { generation, tries };
    ask(&mut daemon, boot(2, 1)).expect("asked for by hand");
    let asked = next(&root).unwrap();
    assert_eq!((asked.generation, asked.proven, asked.tries), (2, false, 1));
    assert!(current(&root).ends_with("roots/1"), "it stays the current one");
    ask(&mut daemon, boot(0, 0)).expect("the initramfs");
    assert!(next(&root).unwrap().proven);
    let missing = ask(&mut daemon, boot(9, 0)).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound, "{missing}");
    assert_eq!(next(&root).unwrap().generation, 0);

    // What init has proven needs no trial any more.
    write_record(root.path(), &Record { generation: 2, fallback: 2, ..Record::fresh() });
    ask(&mut daemon, PackageRequest::Switch { generation: 2, dry_run: false }).expect("forward");
    let proven = next(&root).unwrap();
    assert_eq!((proven.generation, proven.proven), (2, true));
    drop(daemon);

    let host = Root::at(root.path(), recipes.path());
    fs::remove_file(root.path().join("boot/next")).unwrap();
    let mut daemon = host.start();
    let refused = ask(&mut daemon, boot(1, 0)).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict, "{refused}");
    ask(&mut daemon, PackageRequest::Switch { generation: 1, dry_run: false })
        .expect("a host switches");
    assert_eq!(next(&root), None);
}

/// The check of a new generation looks at the one that runs. It looked at the current one, which `boot N` leaves as it
/// is: a damaged N was proven, and a sound one failed where the current one was damaged.
#[test]
fn the_generation_that_runs_is_looked_at_and_not_the_current_one() {
    let mut recipes = Recipes::new();
    let (file, once) =
        ("usr/share/one/file", "mkdir -p /usr/share/one\necho 1 > /usr/share/one/file\n");
    recipes.step("one", &[], &[("install", once)]);
    recipes.step("two", &[], &[]);
    let words = ["--appliance", "--last-boot", "boot 1 was fine"];
    let root = Root::new(recipes.path()).with(&words).under(["env", "MINOS_GENERATION=1"]);
    let mut daemon = root.start();
    pack(&mut daemon, &["one", "two"]);
    change(&mut daemon, install(&["one"]));
    let check = plan(&root).checks[1].clone();
    let What::Command(command) = &check.what else { panic!("{check:?}") };
    assert_eq!(
        command.words().skip(1).collect::<Vec<_>>(),
        ["--timeout", "300", "verify", "--booted", "--quick"]
    );
    change(&mut daemon, install(&["two"]));
    let request =
        |repair, booted| PackageRequest::Verify { names: Vec::new(), quick: true, repair, booted };
    let looked = |daemon: &mut Daemon, booted| {
        column(&ask(daemon, request(false, booted)).expect("looked at"), "findings", "path")
    };
    fs::remove_file(root.path().join("roots/1").join(file)).expect("a file");
    let gone = vec![format!("/{file}")];
    assert_eq!((looked(&mut daemon, true), looked(&mut daemon, false)), (gone.clone(), vec![]));
    fs::remove_file(current(&root).join(file)).expect("a file");
    ask(&mut daemon, PackageRequest::Rollback { steps: 1, dry_run: false }).expect("back");
    verify(&mut daemon, true);
    assert_eq!(looked(&mut daemon, true), Vec::<String>::new(), "it is repaired");
    ask(&mut daemon, PackageRequest::Switch { generation: 2, dry_run: false }).expect("forward");
    assert_eq!((looked(&mut daemon, true), looked(&mut daemon, false)), (vec![], gone));
    assert_eq!(ask(&mut daemon, request(true, true)).unwrap_err().kind, ErrorKind::Invalid);
    drop(daemon);
    let host = Root::at(root.path(), recipes.path());
    let refused = ask(&mut host.start(), request(false, true)).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict, "a host runs none: {refused}");
}

/// A password that was changed between an update and the reboot was the old one again after it.
#[test]
fn accounts_go_along_into_the_generation_that_boots_next() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[]);
    recipes.step("two", &[], &[]);
    let root = Root::new(recipes.path());
    let root = root.with(&["--appliance"]).under(["env", "MINOS_GENERATION=1"]);
    let mut daemon = root.start();
    pack(&mut daemon, &["one", "two"]);
    change(&mut daemon, install(&["one"]));
    let shadow = |n: u64| root.path().join(format!("roots/{n}/etc/shadow"));
    fs::write(shadow(1), "root:old\n").unwrap();
    change(&mut daemon, install(&["two"]));
    assert_eq!(fs::read_to_string(shadow(2)).unwrap(), "root:old\n");
    fs::write(shadow(1), "root:new\n").unwrap();
    daemon.stop();
    assert_eq!(fs::read_to_string(shadow(2)).unwrap(), "root:new\n");
    assert_eq!(fs::read_to_string(shadow(1)).unwrap(), "root:new\n");
}

/// A generation that init left behind is not current any more; why stands in the history, and the sentence about the
/// last boot once in the audit trail. A proven one is kept by the collection.
#[test]
fn what_init_wrote_down_is_followed() {
    let mut recipes = Recipes::new();
    let root = two_generations(&mut recipes);
    let mut daemon = root.start();
    pack(&mut daemon, &["one", "two"]);
    change(&mut daemon, install(&["one"]));
    change(&mut daemon, install(&["two"]));
    drop(daemon);

    // A boot in which the second is on trial, and one after it failed for the last time.
    let wish = next(&root).unwrap();
    let proven = Record { generation: 1, fallback: 1, boot_count: 4, ..Record::fresh() };
    let trial = Record { tries_left: 1, ..Record::next_boot(Some(proven), Some(&wish)) };
    assert_eq!((trial.generation, trial.fallback, trial.proven), (2, 1, false));
    write_record(root.path(), &trial);
    let mut daemon = root.start();
    assert!(current(&root).ends_with("roots/2"), "as long as it is on trial");
    let list = ask(&mut daemon, PackageRequest::Generations).unwrap();
    assert_eq!(column(&list, "generations", "state"), ["current", "proven"]);
    drop(daemon);
    let failed = Record { tries_left: 0, ..trial };
    let failed = failed.failing(Reason::CheckFailed, Culprit::new("disk"), 1_795_000_000);
    write_record(root.path(), &Record::next_boot(Some(failed), None));
    let mut daemon = root.start();
    assert!(current(&root).ends_with("roots/1"));
    let history = ask(&mut daemon, PackageRequest::History { limit: 1, package: None }).unwrap();
    let what = column(&history, "transactions", "what").remove(0);
    assert!(
        what.starts_with("switch: left behind: generation 2 failed its check: disk, 2026-"),
        "{what}"
    );
    let list = ask(&mut daemon, PackageRequest::Generations).unwrap();
    assert_eq!(column(&list, "generations", "state"), ["failed", "current,proven"]);
    assert!(list.notes[0].contains("failed its check: disk"), "{list:?}");

    // Asked for again by hand, it is on trial again, and nothing takes it back meanwhile.
    ask(&mut daemon, PackageRequest::Switch { generation: 2, dry_run: false }).expect("once more");
    assert!(!next(&root).unwrap().proven);
    drop(daemon);
    let mut daemon = root.start();
    assert!(current(&root).ends_with("roots/2"));
    let audit = match daemon.call(&Request::Audit { limit: 100 }) {
        Ok(minos_proto::Reply::Audit(lines)) => lines,
        other => panic!("{other:?}"),
    };
    let told = audit.iter().filter(|line| line.what.contains("boot 1 was fine")).count();
    assert_eq!(told, 2, "once for each of two boots in three starts: {audit:?}");
    ask(&mut daemon, PackageRequest::Collect { dry_run: false, keep: Some(1), only: None })
        .unwrap();
    let left = ask(&mut daemon, PackageRequest::Generations).unwrap();
    assert_eq!(column(&left, "generations", "generation"), ["2", "1"], "the proven one stays");
}

/// The cut between the commit of a change and the question to init: the next start asks.
#[test]
fn a_change_that_was_cut_off_before_it_was_asked_for_is_asked_for() {
    let mut recipes = Recipes::new();
    let root = two_generations(&mut recipes);
    let mut daemon = root.start();
    pack(&mut daemon, &["one", "two"]);
    change(&mut daemon, install(&["one"]));
    let before: Vec<(PathBuf, Vec<u8>)> = ["boot/next", "boot/asked"]
        .map(|name| root.path().join(name))
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .to_vec();
    change(&mut daemon, install(&["two"]));
    daemon.kill();
    before.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    drop(root.start());
    assert_eq!(next(&root).unwrap().generation, 2);
}
