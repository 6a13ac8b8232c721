//! What a person at the command line is told: who may do what, what is kept back and why, what there is to have.
#![cfg(feature = "system")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use minos_tests::room::Room;
use minos_tests::{Daemon, Recipes, Root};
use serde_json::Value;

/// A room, a state that trusts its key, and the words that lead pkgctl to that state.
struct Site {
    room: Room,
    root: Root,
    daemon: Daemon,
    _recipes: Recipes,
    at: String,
}

impl Site {
    /// With the repository `site`, the folder of that name.
    fn new() -> Self {
        let room = Room::new();
        room.key("ann");
        fs::create_dir(room.path("site")).expect("a folder");
        let recipes = Recipes::new();
        let root = Root::new(recipes.path());
        let daemon = root.start();
        let at = format!("--root {}", root.path().display());
        let site = Self { room, root, daemon, _recipes: recipes, at };
        site.json("key trust ann.pub");
        site.json("repo add site ./site");
        site
    }

    /// Packs into the repository, and has pkgd look again.
    #[track_caller]
    fn offer(&self, name: &str, version: &str, more: &str) -> Value {
        self.room.pack("site", name, version, more);
        self.json("repo sync")
    }

    #[track_caller]
    fn json(&self, words: &str) -> Value {
        self.room.json(&format!("{} {words}", self.at))
    }

    /// The last of the objects that a change answers with.
    #[track_caller]
    fn change(&self, words: &str) -> String {
        let output = self.room.pkgctl(&format!("{} {words} --yes", self.at));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words}: {output:?}");
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn refused(&self, words: &str, code: i32) -> String {
        self.room.refused(&format!("{} {words}", self.at), code)
    }
}

/// The values of a column.
fn column(value: &Value, grid: &str, name: &str) -> Vec<String> {
    let rows = value[grid].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| words(&row[name])).collect()
}

/// A field as text; of a list its items.
fn words(value: &Value) -> String {
    match value {
        Value::Array(list) => list.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn notes(value: &Value) -> String {
    words(&value["notes"])
}

/// `install -y` by an ordinary user showed the table, ended with 0, and nothing was installed.
#[test]
fn who_may_change_nothing_is_told_so_before_the_question() {
    let site = Site::new();
    site.offer("one", "1", "");
    site.offer("two", "1", "");
    site.change("install one");
    let above = site.root.path().parent().expect("a folder").to_owned();
    for folder in [above.as_path(), site.root.path(), &site.root.path().join("run")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    for words in ["install two -y", "install two", "remove one -y", "install two -y --json"] {
        let ran = site.room.reader(&format!("{} {words}", site.at));
        let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        assert_eq!(ran.status.code(), Some(5), "{words}: {said}");
        assert!(said.contains("only root may change anything"), "{words}: {said}");
    }
    let look = site.room.reader(&format!("{} install two --dry-run", site.at));
    assert!(look.status.success(), "{look:?}");
    // Nothing to be done is nothing to be refused.
    assert!(site.room.reader(&format!("{} install one -y", site.at)).status.success());
    assert_eq!(column(&site.json("list"), "packages", "package"), ["one"]);
    assert!(site.daemon.stop().success());
}

/// A newer package for another machine beat the native one, and was installed without a word.
#[test]
fn packages_for_another_machine_are_passed_over_and_counted() {
    let site = Site::new();
    let here = format!("arch = \"{}\"", std::env::consts::ARCH);
    site.offer("tool", "1", &here);
    site.offer("data", "1", "");
    site.offer("tool", "2", "arch = \"aarch64\"");
    let synced = site.offer("only", "1", "arch = \"riscv64\"");
    let told =
        "repository site: 2 packages are for another machine (aarch64, riscv64) and not offered";
    assert!(notes(&synced).contains(told), "{synced}");
    assert_eq!(column(&synced, "repositories", "packages"), ["0", "2"]);
    assert_eq!(column(&site.json("list --available"), "packages", "package"), ["data", "tool"]);
    site.change("install tool data");
    assert_eq!(column(&site.json("list"), "packages", "version"), ["1-1", "1-1"]);
    assert!(site.json("list --outdated")["packages"].as_array().is_some_and(Vec::is_empty));
    site.refused("install only --yes", 13);
    // The same of an index that the publisher signed.
    site.room.json("repo publish site --key ann.key");
    let synced = site.json("repo sync");
    assert!(notes(&synced).contains(told), "{synced}");
    site.refused("install tool=2 --yes", 13);
    site.json("sysroot dev tool");
    assert!(site.daemon.stop().success());
}

/// `list --outdated` said that 2 was there, and `upgrade` that there was nothing to do.
#[test]
fn what_an_upgrade_keeps_back_is_told_with_the_reason() {
    let site = Site::new();
    for name in ["bound", "held", "below", "free"] {
        site.room.pack("site", name, "1", "");
        site.room.pack("site", name, "2", "");
    }
    site.json("repo sync");
    site.change("install bound=1 below=1 held=1 free=1 --downgrade");
    site.change("install held below free");
    site.json("hold held below<2");
    let told = notes(&site.json("upgrade --dry-run"));
    for line in [
        "kept back: bound 1 (asked for as bound=1; 2 is there)",
        "kept back: held 1 (held; 2 is there)",
        "kept back: below 1 (held as below<2; 2 is there)",
    ] {
        assert!(told.contains(line), "{told}");
    }
    assert!(!told.contains("free"), "it is updated: {told}");
    let told = notes(&site.json("update bound --dry-run"));
    assert!(told.contains("nothing to do") && told.contains("kept back: bound 1"), "{told}");
    assert!(!told.contains("held 1"), "only what was named: {told}");
    let listed = site.json("list");
    assert_eq!(column(&listed, "packages", "package"), ["below", "bound", "free", "held"]);
    assert_eq!(
        column(&listed, "packages", "state"),
        ["asked for, held as below<2", "asked for as bound=1", "asked for", "asked for, held"]
    );
    assert_eq!(column(&site.json("list --held"), "packages", "package"), ["below", "held"]);
    assert_eq!(site.json("info bound")["state"], "installed, asked for as bound=1");
    // The bare name lets go of the bound; what is installed meets it, and the newest is a request of its own.
    let said = site.change("install bound");
    assert!(
        said.contains("bound is not bound to bound=1 any more; 'pkgctl update bound' takes 2"),
        "{said}"
    );
    site.change("update bound");
    assert_eq!(column(&site.json("list"), "packages", "version")[1], "2-1");
    assert!(site.daemon.stop().success());
}

/// `hold foo@` was taken, bounds piled up, and `unhold foo` said that it was not held.
#[test]
fn holds_name_what_there_is_and_go_with_the_name() {
    let site = Site::new();
    site.offer("one", "1", "");
    site.change("install one");
    let plan =
        site.json("remove one --dry-run")["plan"].as_str().map(str::to_owned).expect("a plan");
    let said = site.refused("hold one@", 2);
    assert!(said.contains("behind '@' stands the name of a repository"), "{said}");
    let said = site.refused("hold one@nosuch", 3);
    assert!(said.contains("there is no repository 'nosuch'"), "{said}");
    site.json("hold one");
    let said = site.refused(&format!("apply {plan} --yes"), 13);
    assert!(said.contains("one is held"), "{said}");
    assert!(said.contains("'pkgctl unhold one'") && !said.contains("--release"), "{said}");
    site.json("hold one<2 one@site");
    assert_eq!(column(&site.json("hold"), "holds", "package"), ["one", "one<2", "one@site"]);
    // One of them by its own words, all by the name.
    site.json("unhold one<2");
    assert_eq!(column(&site.json("hold"), "holds", "package"), ["one", "one@site"]);
    assert!(column(&site.json("unhold one"), "holds", "package").is_empty());
    site.refused("unhold one", 3);
    site.change(&format!("apply {plan}"));
    assert!(site.daemon.stop().success());
}

/// What only a repository has was said not to exist, and a way out offered that was no way to a sysroot.
#[test]
fn a_sysroot_says_that_it_is_made_of_what_is_installed() {
    let site = Site::new();
    site.room.pack("site", "one", "1", "");
    site.room.pack("site", "one", "2", "provides = [\"cap:mail\"]");
    site.offer("other", "1", "");
    site.change("install one");
    let said = site.refused("sysroot dev other=1", 3);
    assert!(
        said.contains("other is not installed: a sysroot is made of installed packages"),
        "{said}"
    );
    let said = site.refused("sysroot dev one=1", 3);
    assert!(said.contains("one 2 is installed, and not one=1: a sysroot is made of"), "{said}");
    assert!(said.contains("'pkgctl install one=1' comes first"), "{said}");
    for want in ["one", "one>=2", "mail"] {
        assert_eq!(site.json(&format!("sysroot dev {want} --writable"))["packages"], 1);
    }
    assert!(site.daemon.stop().success());
}

/// Every version of an installed name was "installed", and nobody said where it comes from.
#[test]
fn what_there_is_to_have_is_told_by_version_and_repository() {
    let site = Site::new();
    for version in ["1", "1.1", "2"] {
        site.room.pack("site", "one", version, "");
    }
    site.json("repo sync");
    site.change("install one=1.1");
    site.offer("two", "1", "");
    let there = site.json("list --available");
    assert_eq!(column(&there, "packages", "version"), ["1", "1.1", "2", "1"]);
    assert_eq!(column(&there, "packages", "state"), ["", "installed", "", ""]);
    assert_eq!(column(&there, "packages", "repository"), ["site"; 4]);
    let counts = column(&site.json("repo"), "repositories", "packages");
    assert_eq!(counts, ["0", "4"], "as the sync counted them");
    // Which version is meant.
    let info = |what: &str| site.json(&format!("info {what}"));
    assert_eq!(words(&info("one")["version"]), "1.1-1");
    assert_eq!(words(&info("one=2")["version"]), "2-1");
    assert_eq!(words(&info("one=2")["state"]), "not installed; 1.1-1 is");
    assert_eq!(words(&info("one<1.1")["version"]), "1-1");
    assert!(words(&info("one=1.1")["state"]).starts_with("installed"));
    let said = site.refused("info one=3", 3);
    assert!(said.contains("there is no package 'one=3'") && said.contains("1, 1.1, 2"), "{said}");
    assert!(site.daemon.stop().success());
}

/// One name that nobody knows hid the answers to all others; the history of nothing was an empty table.
#[test]
fn one_unknown_name_hides_no_answer() {
    let site = Site::new();
    site.offer("one", "1", "");
    site.offer("two", "1", "");
    site.change("install one");
    for (words, known, unknown) in [
        ("info one nosuch", "one", "there is no package 'nosuch'"),
        ("owner /nowhere usr/share/one", "/usr/share/one", "no installed package has '/nowhere'"),
    ] {
        let ran = site.room.pkgctl(&format!("{} {words}", site.at));
        let said =
            String::from_utf8_lossy(&ran.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(ran.status.code(), Some(3), "{words}: {said}");
        assert!(said.contains(known) && said.contains(unknown), "{words}: {said}");
    }
    site.refused("info nosuch", 3);
    site.refused("owner /nowhere", 3);
    assert!(site.refused("history twoo", 3).contains("is it one of: two?"));
    assert!(notes(&site.json("history two")).contains("no change that is remembered touched two"));
    assert_eq!(column(&site.json("history one"), "transactions", "what"), ["install one"]);
    // A path may be said as it is seen from here.
    site.json("db backup copy");
    assert!(site.room.path("copy").exists());
    assert!(site.daemon.stop().success());
}
