//! What others still need stays: outputs on their way to a commit, roots in use, contents of edited files.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use common::packages::{CLOCK, Item, Spec, install, spec};
use common::place::Place;
use common::{commit, key, place, step};
use minos_store::{Options, Placed, Retention, Store, System, SystemOptions};

/// An attempt at a step of a job of its own.
fn attempt(store: &Store, name: &str) -> u64 {
    let job = store.write(|w| w.create_job("target", vec![1, 2], &[step(name)], 100)).unwrap();
    store.write(|w| w.begin_attempt(job, &step(name), &key(name), 5)).unwrap()
}

/// With two lanes the second one threw away what the first was about to commit: a false failure, or a row over bytes
/// that nobody had made durable.
#[test]
fn two_steps_may_come_to_the_same_output_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 5, Options::default()).unwrap();
    let (one, two) = (attempt(&store, "one"), attempt(&store, "two"));
    let inode = |output| fs::metadata(store.layout().output_tree(output)).unwrap().ino();
    let (output, how) = place(&store, one, "same");
    let first = inode(&output);
    assert_eq!((how, place(&store, two, "same")), (Placed::New, (output, Placed::Known)));
    assert_eq!(inode(&output), first, "it is on its way to its commit");
    for attempt in [one, two] {
        store.write(|w| w.commit_output(commit(attempt, output), 6)).unwrap();
    }
    assert_eq!(store.read().unwrap().output_count().unwrap(), 1);
}

#[test]
fn what_could_not_be_made_durable_is_not_taken_for_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 5, Options::default()).unwrap();
    let (one, two, three) =
        (attempt(&store, "one"), attempt(&store, "two"), attempt(&store, "three"));
    let (output, _) = place(&store, one, "same");
    store.forget_placed(&output);
    assert_eq!(place(&store, two, "same").1, Placed::New, "the disk did not take the first");
    drop(store);
    let store = Store::open(dir.path(), 6, Options::default()).unwrap();
    assert_eq!(place(&store, three, "same").1, Placed::New, "left by a process that was killed");
}

fn tool(version: &str, text: &'static str) -> Spec {
    let config = Item::Config("a = 1\n\n\n\nb = 2\n");
    spec("tool", version, &[("usr/bin/tool", Item::File(text, 0o755)), ("etc/tool.conf", config)])
}

/// The root that the machine runs from must be neither rebuilt into the next one nor collected.
#[test]
fn a_root_in_use_is_never_touched() {
    let place = Place::new();
    let options = SystemOptions { reserve_bytes: 0, in_use: vec![1], ..SystemOptions::default() };
    let system = System::new(&place.store, &place.fs, options).unwrap();
    let texts = ["v1", "v2", "v3", "v4", "v5", "v6"];
    for (n, text) in (1..).zip(texts) {
        install(&system, &[tool(&format!("{n}-1"), text)], &[]).unwrap();
    }
    let runs = place.dir.path().join("roots/1/usr/bin/tool");
    assert_eq!(fs::read_to_string(&runs).unwrap(), "v1");
    let keep = Retention::Policy { newest: 1, younger_than_ms: 0 };
    let gone = system.collect(keep, false, None, &CLOCK, &|| false).unwrap().generations;
    assert_eq!(gone, [2, 3, 4, 5]);
    let alone = Retention::AllBut(1);
    assert!(system.collect(alone, false, None, &CLOCK, &|| false).unwrap().generations.is_empty());
    assert_eq!(fs::read_to_string(&runs).unwrap(), "v1");
}

/// An edited file is an object of the generations that have it, and of no package.
#[test]
fn contents_of_edited_files_stay_while_a_generation_has_them() {
    let place = Place::new();
    let system = place.system();
    let root = |n: u64| place.dir.path().join(format!("roots/{n}"));
    install(&system, &[tool("1-1", "v1")], &[]).unwrap();
    let edited = "a = 7\n\n\n\nb = 2\n";
    fs::write(root(1).join("etc/tool.conf"), edited).unwrap();
    install(&system, &[tool("2-1", "v2")], &[]).unwrap();
    install(&system, &[tool("3-1", "v3")], &[]).unwrap();
    let first = Retention::AllBut(1);
    assert_eq!(system.collect(first, false, None, &CLOCK, &|| false).unwrap().generations, [1]);
    fs::remove_dir_all(root(2)).unwrap();
    system.switch(2, "back", None, &CLOCK).unwrap();
    assert_eq!(fs::read_to_string(root(2).join("etc/tool.conf")).unwrap(), edited);
}
