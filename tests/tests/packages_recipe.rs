//! What the `[package]` table of a recipe says reaches the installed system, and builds nothing anew.
#![cfg(feature = "system")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use minos_model::{JobState, StepState};
use minos_proto::{PackageRequest, Wish};
use minos_tests::packages::{ask, change, column, install, installed, propose};
use minos_tests::{Daemon, Recipes, Root};

/// A mail server: a config file, and a box that belongs to a user of its own.
const INSTALL: &str = "mkdir -p /etc /var/lib/mailer\n\
    printf 'port = 25\\n\\n# who may send\\nallow = local\\n\\n\\nqueue = OF_VERSION\\n' > /etc/mailer.conf\n\
    echo letter > /var/lib/mailer/box\nchown 7:7 /var/lib/mailer/box\n";

const TABLE: &str = "[package]\nname = \"mail-server\"\nconfig = [\"/etc/mailer.conf\"]\n\
    provides = [\"cap:mail\"]\nconflicts = [\"rival\"]\n\
    [package.owners]\n7 = \"mailer\"\n\
    [[package.group]]\nname = \"mailer\"\n[[package.user]]\nname = \"mailer\"\ngroup = \"mailer\"\n";

fn mailer(recipes: &mut Recipes, release: u32, table: &str) {
    let install = INSTALL.replace("OF_VERSION", &format!("{release}"));
    recipes.step_with("mailer", &[], &[("install", &install)], table);
    let path = recipes.file("mailer", "recipe.toml");
    let toml = fs::read_to_string(path).unwrap();
    let version = format!("version = \"1.0\"\nrelease = {release}");
    recipes.write("demo/mailer/recipe.toml", &toml.replace("version = \"1.0\"", &version));
}

fn pack(daemon: &mut Daemon, steps: &[&str]) -> Vec<String> {
    for step in steps {
        assert_eq!(daemon.build(step).state, JobState::Done, "{step}");
    }
    let targets = steps.iter().map(ToString::to_string).collect();
    column(&ask(daemon, PackageRequest::Pack { targets }).expect("packed"), "packages", "file")
}

fn current(root: &Root, path: &str) -> PathBuf {
    root.path().join("current").join(path)
}

#[test]
fn the_table_decides_about_config_files_owners_and_neighbours() {
    let mut recipes = Recipes::new();
    mailer(&mut recipes, 1, TABLE);
    recipes.step("rival", &[], &[]);
    recipes.step_with("sender", &[], &[], "[package]\ndepends = [\"cap:mail\"]\n");
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let packed = pack(&mut daemon, &["mailer", "rival", "sender"]);
    assert_eq!(packed[0], "mail-server-1.0-1.noarch.mpk", "the name of the table");

    change(&mut daemon, install(&["sender"]));
    assert_eq!(installed(&mut daemon), ["mail-server 1.0-1", "sender 1.0-1"]);
    let owner = fs::metadata(current(&root, "var/lib/mailer/box")).unwrap();
    assert!((100..1000).contains(&owner.uid()), "a number of the mailer's own: {}", owner.uid());
    assert_eq!(fs::metadata(current(&root, "etc/mailer.conf")).unwrap().uid(), 0);

    let refused = propose(&mut daemon, install(&["rival"])).unwrap_err();
    assert!(refused.what.contains("mail-server"), "{refused}");

    // Edited here, changed there: both are in the file after the update.
    let config = current(&root, "etc/mailer.conf");
    let edited = fs::read_to_string(&config).unwrap().replace("port = 25", "port = 2525");
    fs::remove_file(&config).unwrap();
    fs::write(&config, edited).unwrap();
    drop(daemon);
    mailer(&mut recipes, 2, TABLE);
    let mut daemon = root.start();
    pack(&mut daemon, &["mailer"]);
    change(&mut daemon, Wish { upgrade: true, ..Wish::default() });
    let merged = fs::read_to_string(current(&root, "etc/mailer.conf")).unwrap();
    assert!(merged.contains("port = 2525\n") && merged.contains("queue = 2\n"), "{merged}");
}

#[test]
fn a_changed_table_builds_nothing_and_makes_another_package() {
    let mut recipes = Recipes::new();
    mailer(&mut recipes, 1, "");
    recipes.step_with("sender", &[], &[], "[package]\ndepends = [\"cap:mail\"]\n");
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    let before = pack(&mut daemon, &["mailer", "sender"]);
    propose(&mut daemon, install(&["sender"])).expect_err("nobody provides cap:mail yet");
    drop(daemon);
    mailer(&mut recipes, 1, "[package]\nprovides = [\"cap:mail\"]\n");
    let mut daemon = root.start();
    let built = daemon.build("mailer");
    assert_eq!(built.steps[0].state, StepState::Cached, "{:?}", built.steps);
    assert_eq!(pack(&mut daemon, &["mailer"])[0], before[0], "the same name and release");
    change(&mut daemon, install(&["sender"]));
    assert_eq!(installed(&mut daemon), ["mailer 1.0-1", "sender 1.0-1"]);
}
