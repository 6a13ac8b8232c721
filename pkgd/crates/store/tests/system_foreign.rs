//! What somebody puts into a root outside of `/etc`: it comes along nowhere, so it is told, and its root stays.

mod common;

use std::fs;

use common::packages::{CLOCK, Item, Shelf, Spec, install, spec};
use common::place::Place;
use minos_store::{Applied, NoTriggers, Request, Retention, System};

fn package(version: &str) -> Spec {
    let items = [("usr/local/bin", Item::Folder(0o755)), ("usr/bin/a", Item::File("a", 0o755))];
    spec("a", version, &items)
}

fn apply(system: &System<'_>, one: &Spec) -> Applied {
    let request = Request { install: vec![one.incoming()], ..Request::default() };
    let plan = system.plan(&request).unwrap();
    let shelf = Shelf::of(std::slice::from_ref(one));
    system.apply(&plan, &shelf, &mut NoTriggers, None, &CLOCK).unwrap()
}

fn collect(system: &System<'_>, newest: usize) -> minos_store::Collected {
    let keep = Retention::Policy { newest, younger_than_ms: 0 };
    system.collect(keep, false, None, &CLOCK, &|| false).unwrap()
}

/// It stayed behind at the next change without a word, and was destroyed when its root was built on, two changes later.
#[test]
fn what_somebody_put_into_a_root_is_told_and_stays_as_long_as_its_generation() {
    let place = Place::new();
    let (system, roots) = (place.system(), place.dir.path().join("roots"));
    install(&system, &[package("1-1")], &[]).unwrap();
    fs::write(roots.join("1/usr/local/bin/foo"), "mine").unwrap();
    fs::create_dir_all(roots.join("1/opt/x/y")).unwrap();
    fs::write(roots.join("1/opt/x/y/z"), "mine").unwrap();
    fs::create_dir_all(roots.join("1/tmp/passing")).unwrap();
    fs::write(roots.join("1/etc"), "no package has a folder there").unwrap();
    let foreign = system.foreign(1).unwrap();
    assert_eq!(foreign.count, 2);
    assert_eq!(foreign.first, [b"opt".to_vec(), b"usr/local/bin/foo".to_vec()]);
    assert_eq!(apply(&system, &package("2-1")).left, foreign);
    for n in 3..=8 {
        let left = apply(&system, &package(&format!("{n}-1"))).left;
        assert_eq!(left.count, 0, "it is not in generation {}", n - 1);
        assert_eq!(fs::read_to_string(roots.join("1/opt/x/y/z")).unwrap(), "mine", "change {n}");
    }
    assert_eq!(system.realised().unwrap(), [1, 6, 7, 8], "it does not count as one that is kept");
    let done = collect(&system, 10);
    assert_eq!((done.roots, done.kept), (vec![], vec![(1, foreign)]));
    system.switch(1, "back", None, &CLOCK).unwrap();
    system.switch(8, "forward", None, &CLOCK).unwrap();
    assert_eq!(fs::read_to_string(roots.join("1/usr/local/bin/foo")).unwrap(), "mine");
    assert_eq!(collect(&system, 1).kept, []);
    assert_eq!(system.realised().unwrap(), [8], "with its generation it goes");
}
