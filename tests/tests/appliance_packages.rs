//! The package manager in a booted machine: what was packed elsewhere is installed, updated, broken, mended,
//! taken back and read up.
#![cfg(feature = "vm")]

use std::fs;
use std::path::{Path, PathBuf};

use minos_model::JobState;
use minos_proto::{
    BuildOptions, DatabaseTask, Field, KeyChange, PackageRequest, Reply, RepositoryChange, Request,
    Wish,
};
use minos_qemu::control::{Client, Timeouts};
use minos_tests::appliance::Appliance;
use minos_tests::packages::{ask, change, column, install, installed, verify};
use minos_tests::{Recipes, Root};

const INSTALL: &str = "mkdir -p /usr/bin /usr/share/runner\necho 'echo runner' > /usr/bin/runner\n\
                       chmod 755 /usr/bin/runner\necho VERSION > /usr/share/runner/data\n";
const APP: &str =
    "mkdir -p /usr/bin\nprintf '#!/usr/bin/runner\\n' > /usr/bin/app\nchmod 755 /usr/bin/app\n";

fn recipes(version: &str) -> Recipes {
    let mut recipes = Recipes::new();
    recipes.step("runner", &[], &[("install", &INSTALL.replace("VERSION", version))]);
    recipes.step("app", &[], &[("install", APP)]);
    let toml = fs::read_to_string(recipes.file("runner", "recipe.toml")).unwrap();
    let toml = toml.replace("version = \"1.0\"", &format!("version = \"{version}\""));
    recipes.write("demo/runner/recipe.toml", &toml);
    recipes
}

/// Packs both steps on this host; returns the files and the text of the key that signed them.
fn packed(version: &str) -> (Root, String) {
    let recipes = recipes(version);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    for target in ["demo/runner", "demo/app"] {
        assert_eq!(daemon.build(target).state, JobState::Done);
    }
    let targets = vec!["demo/runner".to_owned(), "demo/app".to_owned()];
    ask(&mut daemon, PackageRequest::Pack { targets }).expect("packed");
    let key = root.list("keys").into_iter().find(|name| name.ends_with(".pub")).expect("a key");
    let text = fs::read_to_string(root.path().join("keys").join(key)).unwrap();
    (root, text)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "mpk") {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// Talks to the pkgd of the machine, then powers it off.
fn attend<T: Send>(appliance: &Appliance, talk: impl FnOnce(&mut Client) -> T + Send) -> T {
    let (_, said) = appliance.attend(|socket| {
        let mut client =
            Client::connect(socket, "test", Timeouts::default()).expect("pkgd answers");
        let said = talk(&mut client);
        client.call(&Request::Shutdown { reboot: false }).expect("it goes off");
        said
    });
    said
}

fn repository(name: &str, path: &str) -> PackageRequest {
    let (name, path) = (name.to_owned(), path.to_owned());
    PackageRequest::Repositories(Some(RepositoryChange::Add { name, path, priority: 0 }))
}

fn build(client: &mut Client, target: &str) {
    let options = BuildOptions::default();
    let started = client.call(&Request::Build { target: target.into(), options });
    let Ok(Reply::Started { job }) = started else { panic!("{started:?}") };
    loop {
        match client.call(&Request::Job { job: Some(job) }) {
            Ok(Reply::Job { job, .. }) if job.state == JobState::Done => return,
            Ok(Reply::Job { job, steps }) => assert!(!job.state.is_final(), "{steps:?}"),
            other => panic!("{other:?}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// The generations that a collection which keeps as few as possible has taken.
fn collected(client: &mut Client) -> Field {
    let gone = ask(client, PackageRequest::Collect { dry_run: false, keep: Some(0), only: None });
    gone.expect("collected").find("generations").expect("a list").clone()
}

#[test]
fn a_system_is_installed_broken_and_taken_back_in_the_machine() {
    let ((first, key), (second, other_key)) = (packed("1.0"), packed("2.0"));
    // The machine builds and packs `app` itself; `runner` comes from outside.
    let of_machine = recipes("1.0");
    let appliance = Appliance::with_recipes(of_machine.path());
    appliance.look("rw", |state| {
        copy(&first.path().join("packages"), &state.join("outside/one"));
        copy(&second.path().join("packages"), &state.join("outside/two"));
    });
    attend(&appliance, |client| {
        build(client, "demo/app");
        ask(client, PackageRequest::Pack { targets: vec!["demo/app".into()] }).expect("packed");
        for text in [key, other_key] {
            ask(client, PackageRequest::Keys(Some(KeyChange::Trust { text }))).expect("trusted");
        }
        assert!(!ask(client, repository("one", "/state/outside/one")).expect("added").alarm);
        change(client, install(&["app"]));
        assert_eq!(installed(client), ["app 1.0-1", "runner 1.0-1"]);
        ask(client, repository("two", "/state/outside/two")).expect("added");
        change(client, Wish { upgrade: true, ..Wish::default() });
        assert_eq!(installed(client), ["app 1.0-1", "runner 2.0-1"]);
    });
    // Broken on purpose, while the machine is off.
    appliance.look("rw", |state| {
        let data = state.join("roots/2/usr/share/runner/data");
        assert_eq!(fs::read_to_string(&data).unwrap(), "2.0\n");
        fs::remove_file(&data).unwrap();
        fs::write(&data, "broken\n").unwrap();
    });
    attend(&appliance, |client| {
        let found = verify(client, false);
        assert_eq!(column(&found, "findings", "path"), ["/usr/share/runner/data"], "{found:?}");
        verify(client, true);
        assert!(!verify(client, false).alarm);
        ask(client, PackageRequest::Rollback { steps: 1, dry_run: false }).expect("back");
        assert_eq!(installed(client), ["app 1.0-1", "runner 1.0-1"]);
        // The machine has booted generation 2, which therefore stays.
        assert_eq!(collected(client), Field::List(Vec::new()));
    });
    attend(&appliance, |client| {
        // Now it has booted generation 1, which is proven within seconds; from then on nobody needs the other.
        let all = || std::iter::repeat_n(std::time::Duration::from_millis(500), 240);
        let two = Field::List(vec![Field::Number(2)]);
        assert!(all().any(|pause| {
            std::thread::sleep(pause);
            collected(client) == two
        }));
        let history = ask(client, PackageRequest::History { limit: 0, package: None }).unwrap();
        let what = column(&history, "transactions", "what");
        assert_eq!(what.last().map(String::as_str), Some("install app"), "{what:?}");
        let clean = ask(client, PackageRequest::Database(DatabaseTask::Verify)).unwrap();
        assert!(!clean.alarm, "{clean:?}");
    });
    let data = appliance.look("ro", |state| {
        let link = fs::read_link(state.join("current")).unwrap();
        fs::read_to_string(state.join(link).join("usr/share/runner/data")).unwrap()
    });
    assert_eq!(data, "1.0\n");
}
