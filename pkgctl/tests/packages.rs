//! The verbs of the package manager against a fake pkgd: what each asks, what it shows, how it ends.

mod support;

use minos_proto::PackageRequest as Ask;
use minos_proto::{
    DatabaseTask, ErrorKind, ErrorReport, Field, KeyChange, Listing, Proposal, Reply,
    RepositoryChange, Request, Sheet, Tag, Wish,
};
use support::sample::{healthy, plan_digest};
use support::{Fake, run};

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn names(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// What pkgd is asked by each of these lines.
#[track_caller]
fn each_asks(table: Vec<(&str, Ask)>) {
    let fake = Fake::start(healthy);
    for (line, _) in &table {
        let ran = fake.pkgctl(&words(line));
        assert_eq!(ran.code, Some(0), "{line} {ran:#?}");
    }
    let asked = fake.asked();
    for (n, (line, want)) in table.into_iter().enumerate() {
        assert_eq!(asked[n], Request::Package(want), "{line}");
    }
}

#[test]
fn verbs_that_look() {
    let files = || Ask::Files { name: "zlib".into() };
    let depends = |reverse, all| Ask::Depends { name: "zlib".into(), reverse, all };
    let owner = || Ask::Owner { paths: names("/usr/bin/ls /etc"), available: false };
    each_asks(vec![
        ("search text editor", Ask::Search { text: "text editor".into() }),
        ("info zlib xz", Ask::Info { names: names("zlib xz") }),
        ("list", Ask::List(Listing::Installed)),
        ("list --asked", Ask::List(Listing::Asked)),
        ("list --unneeded", Ask::List(Listing::Unneeded)),
        ("list --held", Ask::List(Listing::Held)),
        ("list --available", Ask::List(Listing::Available)),
        ("check-updates", Ask::List(Listing::Outdated)),
        ("files zlib", files()),
        ("owner /usr/bin/ls etc", owner()),
        ("depends zlib", depends(false, false)),
        ("rdepends zlib --all", depends(true, true)),
        ("why zlib>=2", Ask::Why { name: "zlib>=2".into() }),
        ("why-not zlib", Ask::Why { name: "zlib".into() }),
        ("plans", Ask::Plans { plan: None }),
        ("plans 12345678", Ask::Plans { plan: Some("12345678".into()) }),
        ("query owner /usr/bin/ls etc", owner()),
        ("query files zlib", files()),
        ("query list --outdated", Ask::List(Listing::Outdated)),
        ("query depends zlib --all", depends(false, true)),
    ]);
}

#[test]
fn verbs_that_look_after_the_system() {
    let (none, note) = (String::new, || "for Ann".to_owned());
    let verify = |names, quick, repair| Ask::Verify { names, quick, repair, booted: false };
    let booted = Ask::Verify { names: Vec::new(), quick: true, repair: false, booted: true };
    let hold = |line, release| Ask::Hold { names: names(line), release, note: none() };
    let sysroot =
        |line, writable| Ask::Sysroot { name: "dev".into(), packages: names(line), writable };
    each_asks(vec![
        ("verify zlib xz --quick", verify(names("zlib xz"), true, false)),
        ("verify zlib --repair", verify(names("zlib"), false, true)),
        ("verify --booted --quick", booted),
        ("hold", hold("", false)),
        ("hold zlib xz", hold("zlib xz", false)),
        ("unhold zlib", hold("zlib", true)),
        ("cleanup --dry-run --keep 3", Ask::Collect { dry_run: true, keep: Some(3), only: None }),
        ("gc -n", Ask::Collect { dry_run: true, keep: None, only: None }),
        ("cleanup -n --generation 2", Ask::Collect { dry_run: true, keep: None, only: Some(2) }),
        ("owner --available /a", Ask::Owner { paths: names("/a"), available: true }),
        ("history", Ask::History { limit: 0, package: None }),
        ("history zlib --limit 9", Ask::History { limit: 9, package: Some("zlib".into()) }),
        ("generations", Ask::Generations),
        ("diff", Ask::Diff { from: None, to: None, files: false }),
        ("diff 3 5 --files", Ask::Diff { from: Some(3), to: Some(5), files: true }),
        ("diff 3", Ask::Diff { from: Some(3), to: None, files: false }),
        ("pin 5", Ask::Pin { generation: 5, release: false, note: none() }),
        ("unpin 5", Ask::Pin { generation: 5, release: true, note: none() }),
        ("sysroot", Ask::Sysroots),
        ("sysroot dev gcc zlib --writable", sysroot("gcc zlib", true)),
        ("sysroot dev --remove", sysroot("", false)),
        ("db backup /x", Ask::Database(DatabaseTask::Backup { path: "/x".into() })),
        ("db verify", Ask::Database(DatabaseTask::Verify)),
        ("db rebuild -y", Ask::Database(DatabaseTask::Rebuild)),
        ("pack lfs/demo m4", Ask::Pack { targets: names("lfs/demo m4") }),
    ]);
    let fake = Fake::start(healthy);
    fake.pkgctl(&["pin", "5", "--note", "for Ann"]).ends(0);
    let pin = Ask::Pin { generation: 5, release: false, note: note() };
    assert_eq!(fake.asked(), [Request::Package(pin)]);
}

#[test]
fn repositories_and_keys() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ann.pub");
    std::fs::write(&file, "untrusted comment: Ann\nRWQ\n").unwrap();
    let trust = format!("key trust {}", file.display());
    let text = "untrusted comment: Ann\nRWQ\n".to_owned();
    let (name, path) = ("site".to_owned(), "/srv/site".to_owned());
    let repo = |change| Ask::Repositories(Some(change));
    let add =
        |priority| repo(RepositoryChange::Add { name: name.clone(), path: path.clone(), priority });
    let path = std::env::current_dir().unwrap().join("packages").display().to_string();
    let here = RepositoryChange::Add { name: name.clone(), path, priority: 0 };
    let two = "http://a.example/x http://b.example/y".to_owned();
    let fetched = RepositoryChange::Add { name: name.clone(), path: two, priority: 0 };
    each_asks(vec![
        ("repo", Ask::Repositories(None)),
        ("repo list", Ask::Repositories(None)),
        ("repo add site /srv/site", add(0)),
        ("repo add site /srv/site --priority -5", add(-5)),
        // pkgd knows nothing of where pkgctl was started.
        ("repo add site ./packages", repo(here)),
        ("repo add site http://a.example/x http://b.example/y", repo(fetched)),
        ("repo remove site", repo(RepositoryChange::Remove { name: name.clone() })),
        ("repo sync --allow-expired", repo(RepositoryChange::Sync { allow_expired: true })),
        ("repo sync", repo(RepositoryChange::Sync { allow_expired: false })),
        ("key", Ask::Keys(None)),
        ("key list", Ask::Keys(None)),
        (&trust, Ask::Keys(Some(KeyChange::Trust { text }))),
    ]);
    std::fs::write(&file, "x".repeat(5000)).unwrap();
    let ran = run(&words(&trust)).ends(2);
    assert!(ran.complaint().contains("it is too long for one"), "{ran:?}");
    run(&["key", "trust", "/nonexistent"]).ends(2);
}

#[test]
fn what_is_wished_for() {
    let table = [
        (
            "install zlib>=1.3 git[docs]",
            Wish { install: names("zlib>=1.3 git[docs]"), ..Wish::default() },
        ),
        (
            "depsolve xz --downgrade",
            Wish { install: names("xz"), downgrade: true, ..Wish::default() },
        ),
        ("mark xz --asked", Wish { asked: names("xz"), ..Wish::default() }),
        ("mark xz bc --needed", Wish { needed: names("xz bc"), ..Wish::default() }),
        ("remove xz", Wish { remove: names("xz"), ..Wish::default() }),
        (
            "uninstall xz --autoremove --ignore-holds",
            Wish { remove: names("xz"), autoremove: true, ignore_holds: true, ..Wish::default() },
        ),
        ("update xz", Wish { update: names("xz"), ..Wish::default() }),
        ("update", Wish { upgrade: true, ..Wish::default() }),
        ("upgrade", Wish { upgrade: true, ..Wish::default() }),
        ("autoremove", Wish { autoremove: true, ..Wish::default() }),
    ];
    let fake = Fake::start(healthy);
    for (line, _) in &table {
        fake.pkgctl(&[words(line), vec!["--dry-run"]].concat()).ends(0);
    }
    let want: Vec<Request> =
        table.into_iter().map(|(_, wish)| Request::Package(Ask::Propose(wish))).collect();
    assert_eq!(fake.asked(), want);
}

const PLAN: &str = "install:  1
download: 1.0 MiB
size:     +3.0 MiB

change   package  from  to
install  zlib     -     1.3.1-1
";

#[test]
fn a_dry_run_shows_the_plan_and_its_number() {
    let fake = Fake::start(healthy);
    let ran = fake.pkgctl(&["install", "zlib", "-n"]).ends(0);
    let (plan, rest) = ran.out.split_at(PLAN.len());
    assert_eq!(plan, PLAN);
    let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(rest.contains(&format!("apply {}' does it", plan_digest().short())), "{rest}");
    let json = fake.pkgctl(&["install", "zlib", "-n", "--json"]).ends(0);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["plan"], plan_digest().to_string());
    assert_eq!((&value["type"], &value["data"]["download"]), (&"plan".into(), &(1 << 20).into()));
    assert_eq!(value["data"]["changes"][0]["from"], serde_json::Value::Null);
}

#[test]
fn yes_goes_on_to_apply_that_very_plan() {
    let fake = Fake::start(healthy);
    let ran = fake.pkgctl(&["install", "zlib", "--yes"]).ends(0);
    assert_eq!(ran.out, format!("{PLAN}generation: 7\nGeneration 7 is the current one.\n"));
    let wish = Wish { install: names("zlib"), ..Wish::default() };
    let apply = Request::Package(Ask::Apply { plan: plan_digest().to_string() });
    assert_eq!(fake.asked(), [Request::Package(Ask::Propose(wish)), apply]);
    let json = fake.pkgctl(&["install", "zlib", "-y", "--json"]).ends(0);
    let types: Vec<String> = json
        .out
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["type"].to_string())
        .collect();
    assert_eq!(types, ["\"plan\"", "\"progress\"", "\"progress\"", "\"applied\""]);
}

/// In a script nobody can answer: without `--yes` nothing may happen.
#[test]
fn without_a_terminal_and_without_yes_nothing_is_changed() {
    let table = [
        "install zlib",
        "install zlib --json",
        "apply 12345678",
        "rollback",
        "switch 3",
        "cleanup",
        "key revoke 12345678",
    ];
    for line in table.iter().chain(&["db rebuild"]) {
        let fake = Fake::start(healthy);
        let ran = fake.pkgctl(&words(line)).ends(2);
        let said = ran.complaint() + &ran.out;
        assert!(said.contains("nobody is at a terminal") && said.contains("say --yes"), "{ran:?}");
        let changed = |r: &&Request| r.changes() && !matches!(r, Request::Package(Ask::Propose(_)));
        assert_eq!(fake.asked().iter().find(changed), None, "{line}");
    }
}

#[test]
fn with_nothing_to_do_there_is_nothing_to_ask() {
    let fake = Fake::start(healthy);
    assert_eq!(fake.pkgctl(&["install", "nothing"]).ends(0).out, "Nothing is to be done.\n");
}

/// It showed the table and ended with 0, and nothing was installed.
#[test]
fn who_may_change_nothing_is_told_so_and_not_asked() {
    let fake = || {
        Fake::start(|request, wire| {
            if matches!(request, Request::Package(Ask::Apply { .. })) {
                return wire.fail(ErrorKind::Forbidden);
            }
            let mut sheet = Sheet::new("proposal").note("only root may carry this out");
            sheet.alarm = true;
            wire.reply(Reply::Proposal(Proposal { plan: None, sheet }));
        })
    };
    for line in ["install vim -y", "remove vim", "upgrade --json", "autoremove -y --json"] {
        let ran = fake().pkgctl(&words(line)).ends(5);
        assert!(
            ran.out.contains("only root may carry this out"),
            "what it would do is shown: {ran:?}"
        );
    }
    fake().pkgctl(&words("install vim --dry-run")).ends(0);
}

#[test]
fn verbs_that_ask_first_do_it_with_yes() {
    let plan = || Ask::Plans { plan: Some("12345678".into()) };
    let collect = |dry_run| Ask::Collect { dry_run, keep: None, only: None };
    let switch = |generation, dry_run| Ask::Switch { generation, dry_run };
    let rollback = |steps| Ask::Rollback { steps, dry_run: true };
    let revoke =
        |id: &str, dry_run| Ask::Keys(Some(KeyChange::Revoke { id: id.to_owned(), dry_run }));
    let key = "8f".repeat(16);
    let table = [
        ("apply 12345678 -y", vec![plan(), Ask::Apply { plan: "12345678".into() }]),
        ("switch 3 -y", vec![switch(3, true), switch(3, false)]),
        ("switch 3 --dry-run", vec![switch(3, true)]),
        // What was shown is what is done, also when somebody else changed the system in between.
        ("rollback -y", vec![rollback(1), switch(6, false)]),
        ("rollback 2 --yes", vec![rollback(2), switch(5, false)]),
        ("rollback 2 -n", vec![rollback(2)]),
        (
            "image build --generation 3 --disk /dev/vdb --serial abc --efi /k.efi --size 2",
            vec![Ask::Image(minos_proto::ImageWish {
                generation: 3,
                disk: "/dev/vdb".into(),
                serial: Some("abc".into()),
                bytes: 2 << 20,
                efi: Some("/k.efi".into()),
            })],
        ),
        ("boot 3", vec![Ask::Boot { generation: 3, tries: 0 }]),
        ("boot 0 --once", vec![Ask::Boot { generation: 0, tries: 1 }]),
        ("cleanup -y", vec![collect(true), collect(false)]),
        // What was shown by the beginning of its id is revoked by all of it.
        ("key revoke 8f8f8f8f -y", vec![revoke("8f8f8f8f", true), revoke(&key, false)]),
        ("key revoke 8f8f8f8f -n", vec![revoke("8f8f8f8f", true)]),
    ];
    for (line, want) in table {
        let fake = Fake::start(healthy);
        fake.pkgctl(&words(line)).ends(0);
        let want: Vec<Request> = want.into_iter().map(Request::Package).collect();
        assert_eq!(fake.asked(), want, "{line}");
    }
}

/// It was on the list of options and always refused: pkgd makes no plan of what is installed already.
#[test]
fn what_is_installed_again_is_looked_at_and_put_back() {
    let verify = |repair| {
        let names = names("zlib");
        Request::Package(Ask::Verify { names, quick: false, repair, booted: false })
    };
    let broken = |request: &Request, wire: &mut support::Wire| {
        let mut sheet = Sheet::new("verified-system");
        sheet.alarm = matches!(request, Request::Package(Ask::Verify { repair: false, .. }));
        wire.reply(Reply::Sheet(sheet));
    };
    for (more, want, code) in [
        ("--yes", vec![verify(false), verify(true)], 0),
        ("--dry-run", vec![verify(false)], 0),
        // Nobody can be asked.
        ("", vec![verify(false)], 2),
    ] {
        let fake = Fake::start(broken);
        fake.pkgctl(&words(&format!("install zlib --reinstall {more}"))).ends(code);
        assert_eq!(fake.asked(), want, "{more}");
    }
    // What is whole stays, and nobody is asked.
    let fake = Fake::start(healthy);
    fake.pkgctl(&words("install zlib --reinstall")).ends(0);
    assert_eq!(fake.asked(), [verify(false)]);
}

/// It was whole, and that it is another package than the one that there is was nobody's concern.
#[test]
fn what_was_built_anew_is_exchanged_by_a_plan() {
    let fake = Fake::start(|request, wire| match request {
        Request::Package(Ask::Verify { .. }) => {
            let rebuilt: Field = ["zlib"].into_iter().collect();
            wire.reply(Reply::Sheet(Sheet::new("verified-system").fact("rebuilt", rebuilt)));
        }
        _ => healthy(request, wire),
    });
    fake.pkgctl(&words("install zlib --reinstall --yes")).ends(0);
    let names = names("zlib");
    let verify = Ask::Verify { names: names.clone(), quick: false, repair: false, booted: false };
    let exchange = Ask::Propose(Wish { exchange: names, ..Wish::default() });
    let apply = Ask::Apply { plan: plan_digest().to_string() };
    let want = [verify.clone(), exchange, apply, verify].map(Request::Package);
    assert_eq!(fake.asked(), want);
}

#[test]
fn what_a_verb_was_to_find_out_is_exit_9() {
    let fake = Fake::start(|_, wire| {
        let mut sheet = Sheet::new("verified").fact("damaged", 1u64);
        sheet.alarm = true;
        wire.reply(Reply::Sheet(sheet));
    });
    assert_eq!(fake.pkgctl(&["verify", "zlib"]).ends(9).out, "damaged: 1\n");
    fake.pkgctl(&["verify", "zlib", "--json"]).ends(9);
}

#[test]
fn a_proof_keeps_its_lines() {
    let fake = Fake::start(|_, wire| {
        let what = "git cannot be installed:\n  git needs zlib>=2\n  there is zlib 1.3 only";
        let report = ErrorReport::new(ErrorKind::Unsolvable, what, "leave out git");
        wire.send(Tag::Reply, &(1u32, Err::<Reply, _>(report)));
    });
    let ran = fake.pkgctl(&["install", "git"]).ends(13);
    let want = "pkgctl: git cannot be installed:\n          git needs zlib>=2\n          \
                there is zlib 1.3 only\nhint: leave out git\n";
    assert_eq!(ran.err, want);
    let json = fake.pkgctl(&["install", "git", "--json"]).ends(13);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&value["kind"], &value["exit"]), (&"unsolvable".into(), &13.into()));
}

/// Each sign of progress ends the silence: a change may take longer than the patience of a client.
#[test]
fn progress_keeps_a_client_waiting() {
    let fake = Fake::start(|_, wire| {
        for n in 0..6 {
            std::thread::sleep(std::time::Duration::from_millis(300));
            wire.progress("unpacking", n, 6);
        }
        wire.reply(Reply::Sheet(Sheet::new("applied").note("Done.")));
    });
    let ran = fake.pkgctl(&["apply", "12345678", "-y", "--timeout", "1"]).ends(0);
    assert_eq!(ran.out, "Done.\nDone.\n");
    let silent = Fake::start(|_, wire| {
        wire.progress("unpacking", 0, 6);
        std::thread::sleep(support::HANGS);
    });
    silent.pkgctl(&["switch", "3", "-y", "--timeout", "1"]).ends(4);
}

/// A change that took long was said to have failed with "try again", and one whose pkgd had died sent people to the jobs.
#[test]
fn who_hears_no_more_of_a_change_is_told_where_to_look() {
    let silent = || Fake::start(|_, _| std::thread::sleep(support::HANGS));
    let dead = || Fake::start(|_, wire| wire.cut());
    for line in ["switch 3 -y", "hold zlib", "cleanup -y"] {
        let first_is_answered = |request: &Request, wire: &mut support::Wire| match request {
            Request::Package(ask) if !ask.changes() => healthy(request, wire),
            _ => wire.cut(),
        };
        let ran = Fake::start(first_is_answered).pkgctl(&words(line)).ends(4);
        let said = ran.complaint();
        assert!(said.contains("status' says so") && said.contains("history'"), "{line}: {said}");
        assert!(!said.contains("jobs"), "{line}: {said}");
    }
    let ran = silent().pkgctl(&words("hold zlib --timeout 1")).ends(4);
    assert!(ran.complaint().contains("may still be going on"), "{ran:?}");
    // What changes nothing may be asked again.
    let ran = silent().pkgctl(&words("list --timeout 1")).ends(4);
    assert!(ran.complaint().contains("try again") && !ran.complaint().contains("history"));
    assert!(dead().pkgctl(&words("list")).ends(4).complaint().contains("'pkgctl jobs'"));
}

#[test]
fn wrong_lines_are_exit_2_before_pkgd_is_asked() {
    let table = [
        ("install", "Required positional arguments not provided: package"),
        ("list --asked --held", "different lists"),
        ("list extra", "unrecognized argument: extra"),
        ("instal zlib", "did you mean 'install'?"),
        ("install zlib --dryrun", "did you mean '--dry-run'?"),
        ("repo ad site /x", "did you mean 'add'?"),
        ("repo add site", "Required positional arguments not provided: place"),
        ("repo add site /x /y", "only addresses that have the same can be several"),
        ("repo add site /x http://a", "only addresses that have the same can be several"),
        ("repo add site /x --priority high", "option '--priority' does not take 'high'"),
        ("query", "One of these must follow 'query': search, info,"),
        ("db", "One of these must follow 'db': backup, restore, verify, rebuild"),
        ("switch x", "switch does not take 'x'"),
        ("rollback 0", "0 steps back is where"),
        ("rollback 4294967296", "rollback does not take '4294967296'"),
        ("cleanup --keep", "No value provided for option '--keep'"),
        ("verify zlib --outputs", "--outputs knows no packages"),
        ("sysroot dev", "a sysroot takes packages, or --remove and none"),
        ("sysroot dev zlib --remove", "a sysroot takes packages"),
        ("uninstall", "'pkgctl help remove' tells more"),
    ];
    let nowhere = Fake::silent();
    for (line, want) in table {
        let ran = nowhere.pkgctl(&words(line)).ends(2);
        let (said, want) = (ran.complaint().to_lowercase(), want.to_lowercase());
        assert!(said.contains(&want), "{line}: {said}");
    }
}

#[test]
fn each_verb_has_its_help() {
    let help = run(&["help"]).ends(0).out;
    for verb in ["install", "query", "repo", "key", "verify", "cleanup"] {
        assert!(help.contains(&format!("\n  {verb} ")), "{help}");
    }
    let install = run(&["help", "install"]).ends(0).out;
    assert!(install.starts_with("Usage: pkgctl install [-y] [-n] "), "{install}");
    assert!(install.contains("\n  -n, --dry-run     only say what would be done\n"), "{install}");
    assert_eq!(run(&["install", "--help"]).ends(0).out, install);
    assert_eq!(run(&["install", "zlib", "-h"]).ends(0).out, install);
    let add = run(&["help", "repo", "add"]).ends(0).out;
    let usage = "Usage: pkgctl repo add [--priority <n>] <name> <place> [<address...>]\n";
    assert!(add.starts_with(usage), "{add}");
    assert_eq!(run(&["repo", "add", "--help"]).ends(0).out, add);
    assert_eq!(run(&["help", "uninstall"]).ends(0).out, run(&["help", "remove"]).ends(0).out);
    assert!(run(&["help", "check-updates"]).ends(0).out.starts_with("Usage: pkgctl list"));
    for text in [help, install, add] {
        assert!(text.lines().all(|l| l.len() <= 80), "{text}");
    }
}

#[test]
fn hostile_words_of_packages_do_not_reach_the_terminal() {
    let fake = Fake::start(|_, wire| {
        let text = || Field::Text("\x1b]0;owned\x07\nsecond line".into());
        let sheet = Sheet::new("package").fact("description", text());
        wire.reply(Reply::Sheet(sheet.grid("x", &["a", "\x1b[2J"], vec![vec![text(), text()]])));
    });
    let ran = fake.pkgctl(&["info", "evil"]).ends(0);
    assert!(!ran.out.chars().any(|c| c.is_control() && c != '\n'), "{ran:?}");
    assert!(ran.out.starts_with("description: ?]0;owned? second line\n"), "{}", ran.out);
    let json = fake.pkgctl(&["info", "evil", "--json"]).ends(0);
    assert_eq!(json.out.lines().count(), 1);
}
