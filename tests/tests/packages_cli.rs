//! What a person at the command line is told: who may do what, what is kept back and why, what there is to have.
#![cfg(feature = "system")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use minos_tests::site::{Site, column, words};
use serde_json::Value;

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

/// One letter was enough to lose a key for ever, and nobody was asked. What it had signed was then a wrong command line.
#[test]
fn a_key_is_revoked_after_a_look_and_a_question() {
    let site = Site::new();
    for name in ["one", "two", "three", "four"] {
        site.room.pack("site", name, "1", "");
    }
    site.json("repo sync");
    site.change("install one");
    let id = column(&site.json("key"), "keys", "id").concat();
    let said = site.refused(&format!("key revoke {} --yes", &id[..1]), 2);
    assert!(said.contains("at least 8 digits"), "{said}");
    site.refused(&format!("key revoke {}", &id[..8]), 2);
    let look = site.json(&format!("key revoke {} --dry-run", &id[..8]));
    assert_eq!((words(&look["key"]), words(&look["state"])), (id.clone(), "trusted".to_owned()));
    assert_eq!((words(&look["packages"]), words(&look["installed"])), ("4".into(), "1".into()));
    assert_eq!(column(&site.json("key"), "keys", "state"), ["trusted"], "nothing happened yet");
    site.change(&format!("key revoke {}", &id[..8]));
    assert_eq!(column(&site.json("key"), "keys", "state"), ["revoked"]);
    // The index still has them, and the request was right.
    let said = site.refused("install two --yes", 9);
    assert!(said.contains("revoked") && said.contains("'pkgctl repo sync'"), "{said}");
    fs::remove_file(site.room.path("site/three-1-1.noarch.mpk")).expect("gone");
    site.refused("install three --yes", 3);
    let synced = site.room.pkgctl(&format!("{} repo sync --json", site.at));
    assert_eq!(synced.status.code(), Some(9));
    let synced: Value = serde_json::from_slice(&synced.stdout).expect("an object");
    let told = notes(&synced["data"]);
    assert!(told.starts_with("3 files: ") && !told.contains("4 files"), "one line for all: {told}");
    assert!(site.daemon.stop().success());
}

/// A folder that was not mounted passed for one that had nothing any more, and a link for a loop of links.
#[test]
fn a_repository_that_is_gone_is_told() {
    let site = Site::new();
    site.offer("one", "1", "");
    let (there, aside) = (site.room.path("site"), site.room.path("aside"));
    fs::rename(&there, &aside).expect("moved");
    let synced = site.room.pkgctl(&format!("{} repo sync", site.at));
    let said = String::from_utf8_lossy(&synced.stdout).into_owned();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(synced.status.code(), Some(9), "{said}");
    assert!(said.contains("the folder is not there: nothing of the repository site"), "{said}");
    assert!(column(&site.json("list --available"), "packages", "package").is_empty());
    fs::rename(&aside, &there).expect("moved back");
    let file = there.join("one-1-1.noarch.mpk");
    std::os::unix::fs::symlink(&file, there.join("two-1-1.noarch.mpk")).expect("a link");
    let synced = site.room.pkgctl(&format!("{} repo sync --json", site.at));
    assert!(String::from_utf8_lossy(&synced.stdout).contains("it is a link"), "{synced:?}");
    assert_eq!(column(&site.json("list --available"), "packages", "package"), ["one"]);
    assert!(site.daemon.stop().success());
}

/// Nobody had `/bin/ls` where `/bin` is a link, and what was lost of a package that was built anew was lost.
#[test]
fn what_was_built_anew_takes_the_place_of_what_is_installed() {
    let site = Site::new();
    site.offer("one", "1", "[[link]]\npath = \"/share\"\ntarget = \"usr/share\"");
    site.change("install one");
    let owner = site.json("owner /share/one");
    assert_eq!(column(&owner, "paths", "path"), ["/usr/share/one"]);
    assert!(notes(&owner).contains("/share/one is /usr/share/one"), "{owner}");
    assert!(column(&site.json("list --outdated"), "packages", "package").is_empty());
    // The same version, another package.
    fs::remove_file(site.room.path("site/one-1-1.noarch.mpk")).expect("gone");
    site.offer("one", "1", "provides = [\"cap:mail\"]");
    let outdated = site.json("list --outdated");
    assert!(column(&outdated, "packages", "state").concat().starts_with("rebuilt"), "{outdated}");
    assert!(notes(&site.json("upgrade --dry-run")).contains("nothing to do"));
    assert_eq!(words(&site.json("verify one")["rebuilt"]), "one");
    fs::remove_file(site.root.path().join("current/usr/share/one")).expect("lost");
    site.change("install one --reinstall");
    assert!(site.root.path().join("current/usr/share/one").exists());
    assert!(column(&site.json("list --outdated"), "packages", "package").is_empty());
    assert!(words(&site.json("info one")["provides"]).contains("mail"));
    assert!(words(&site.json("verify one")["rebuilt"]).is_empty());
    site.change("rollback");
    assert!(
        column(&site.json("list --outdated"), "packages", "state").concat().contains("rebuilt")
    );
    assert!(site.daemon.stop().success());
}

/// At 80 columns a change of eighty packages hid what had come of the others.
#[test]
fn the_history_has_all_of_a_change_on_demand() {
    let site = Site::new();
    let names = ["a1", "b1", "c1", "d1", "e1", "f1", "g1"];
    for name in names {
        site.room.pack("site", name, "1", "");
    }
    site.json("repo sync");
    site.change(&format!("install {}", names.join(" ")));
    let listed = site.room.pkgctl(&format!("{} history", site.at));
    let said = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(said.lines().all(|line| line.len() <= 80) && said.contains(" done "), "{said}");
    assert!(!said.contains("..") && !said.contains("+g1"), "folded, and not cut: {said}");
    assert!(said.contains("'pkgctl history 1'"), "{said}");
    assert_eq!(words(&site.json("history")["transactions"][0]["changes"]).matches('+').count(), 7);
    let one = site.json("history 1");
    assert_eq!(column(&one, "packages", "package"), names);
    assert_eq!(words(&one["outcome"]), "done");
    site.refused("history 2", 3);
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

/// A package file at hand could be installed only by making a repository around it.
#[test]
fn a_package_file_is_installed_by_its_path() {
    let site = Site::new();
    site.offer("base", "1", "");
    site.room.pack("hand", "tool", "1", "depends = [\"base\"]");
    site.room.pack("hand", "tool", "2", "depends = [\"base\"]");
    // The newer one is not taken because it lies beside it.
    let said = site.change("install ./hand/tool-1-1.noarch.mpk");
    assert!(said.contains("generation 1 is current"), "{said}");
    assert_eq!(column(&site.json("list"), "packages", "package"), ["base", "tool"]);
    assert_eq!(column(&site.json("list"), "packages", "version"), ["1-1", "1-1"]);
    // It is not bound to that version.
    assert_eq!(words(&site.json("info tool")["state"]), "installed, asked for");
    // What has changed since it was signed, and what is signed by somebody else, comes nowhere near the repository.
    let mut bytes = fs::read(site.room.path("hand/tool-2-1.noarch.mpk")).expect("a package");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    site.room.write("bad.mpk", bytes);
    site.room.write("no.mpk", "no package");
    site.room.key("bob");
    fs::create_dir(site.room.path("strange")).expect("a folder");
    site.room.json("pack ./tool --key bob.key --output strange");
    for (file, code, why) in [
        ("bad.mpk", 2, "'pkgctl inspect FILE'"),
        ("no.mpk", 2, "'pkgctl inspect FILE'"),
        ("strange/tool-2-1.noarch.mpk", 2, "trusted key"),
        ("nowhere.mpk", 3, "nowhere.mpk"),
        ("./hand", 2, "no regular file"),
    ] {
        let said = site.refused(&format!("install {file} --yes"), code);
        assert!(said.contains(why), "{file}: {said}");
    }
    let local = || -> Vec<String> {
        let list = fs::read_dir(site.root.path().join("packages")).expect("a folder");
        list.map(|entry| entry.expect("a name").file_name().into_string().expect("text")).collect()
    };
    assert_eq!(local(), ["tool-1-1.noarch.mpk"]);
    // Files and names together.
    site.offer("other", "1", "");
    site.change("install other hand/tool-2-1.noarch.mpk");
    assert_eq!(column(&site.json("list"), "packages", "version"), ["1-1", "1-1", "2-1"]);
    assert!(site.daemon.stop().success());
}

/// What was installed as a dependency stayed one for ever, and what was asked for once could not be let go of.
#[test]
fn packages_are_marked_as_asked_for_and_as_needed() {
    let site = Site::new();
    site.room.pack("site", "base", "1", "");
    site.offer("tool", "1", "depends = [\"base\"]");
    site.change("install tool");
    site.change("mark base --asked");
    site.change("mark tool --needed");
    assert_eq!(column(&site.json("list"), "packages", "state"), ["asked for", "needed"]);
    let again = site.json("mark tool --needed --dry-run");
    assert!(notes(&again).contains("nothing to do"), "{again}");
    let dry = site.json("mark base --needed --dry-run");
    assert!(notes(&dry).contains("base counts as needed by others"), "{dry}");
    assert!(notes(&dry).contains("'pkgctl autoremove' removes it"), "{dry}");
    site.change("autoremove");
    assert_eq!(column(&site.json("list"), "packages", "package"), ["base"]);
    let history = site.json("history");
    assert!(column(&history, "transactions", "what").contains(&"mark as needed: tool".to_owned()));
    site.refused("mark nosuch --asked --yes", 3);
    site.refused("mark base", 2);
    assert!(site.daemon.stop().success());
}

/// `files` and `owner` knew nothing of what is only in a repository.
#[test]
fn files_of_what_is_not_installed_are_told() {
    let site = Site::new();
    site.room.pack("site", "one", "1", "");
    site.room.pack("site", "one", "2", "");
    site.offer("two", "1", "");
    site.change("install one=1");
    let files = |what: &str| {
        let files = site.json(&format!("files {what}"));
        (words(&files["package"]), words(&files["state"]), column(&files, "files", "path"))
    };
    let usr = |name: &str| ["/usr", "/usr/share", &format!("/usr/share/{name}")].map(str::to_owned);
    assert_eq!(files("one"), ("one 1-1".into(), "installed".into(), usr("one").into()));
    assert_eq!(files("one=2").0, "one 2-1");
    assert_eq!(files("two"), ("two 1-1".into(), "not installed".into(), usr("two").into()));
    site.refused("files three", 3);
    let owner = site.json("owner --available /usr/share/two /usr/share/one");
    assert_eq!(column(&owner, "paths", "packages"), ["two 1-1", "one 1-1, one 2-1"]);
    let said = site.refused("owner /usr/share/two", 3);
    assert!(said.contains("'pkgctl owner --available' asks the repositories"), "{said}");
    site.refused("owner --available /nowhere", 3);
    assert!(site.daemon.stop().success());
}

/// A generation that was a mistake could only wait for the policy.
#[test]
fn one_generation_can_be_taken_away() {
    let site = Site::new();
    for version in ["1", "2", "3"] {
        site.offer("one", version, "");
        site.change(if version == "1" { "install one" } else { "upgrade" });
    }
    site.json("pin 1");
    let said = site.refused("cleanup --generation 3 --yes", 11);
    assert!(said.contains("generation 3 stays: it is the current one"), "{said}");
    site.refused("cleanup --generation 1 --yes", 11);
    site.refused("cleanup --generation 9 --yes", 3);
    site.refused("cleanup --generation 2 --keep 2 --yes", 2);
    let outlook = site.json("cleanup --generation 2 --dry-run");
    assert_eq!(words(&outlook["generations"]), "2");
    site.change("cleanup --generation 2");
    assert_eq!(column(&site.json("generations"), "generations", "generation"), ["3", "1"]);
    assert!(!site.root.path().join("roots/2").exists());
    site.json("verify --system");
    // The one that 3 was made from is gone: before it is what is left.
    assert_eq!(words(&site.json("diff")["from"]), "1");
    site.change("rollback");
    assert_eq!(column(&site.json("list"), "packages", "version"), ["1-1"]);
    assert!(site.daemon.stop().success());
}

/// What our own shell completes, the user's shell completes too; with the names of the pkgd that the line is for.
#[test]
fn the_users_shell_completes_names() {
    let site = Site::new();
    site.offer("alpha", "1", "");
    site.offer("also", "1", "");
    let script = site.room.pkgctl("completion bash");
    let script = String::from_utf8(script.stdout).expect("text");
    let complete = |line: &str| {
        let at = line.replace("AT", &site.at);
        let run = format!(
            "pkgctl() {{ '{}' \"$@\"; }}\n{script}\nCOMP_LINE='{at}' COMP_POINT={}\n_pkgctl\necho \"${{COMPREPLY[@]}}\"",
            minos_tests::artefacts::binary("pkgctl").display(),
            at.len(),
        );
        let ran = std::process::Command::new("bash").args(["-c", &run]).output().expect("bash");
        String::from_utf8(ran.stdout).expect("text").trim().to_owned()
    };
    assert_eq!(complete("pkgctl AT install al"), "alpha also");
    assert_eq!(complete("pkgctl upg"), "upgrade");
    assert_eq!(complete("pkgctl ex"), "");
    assert_eq!(complete("pkgctl AT mark --n"), "--needed --no-color");
    assert!(site.daemon.stop().success());
}
