//! A person at a terminal who is asked before the system changes.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use minos_proto::{PackageRequest, Reply, Request, Sheet};
use support::Fake;
use support::sample::healthy;
use support::terminal::Person;

fn at_terminal(fake: &Fake, words: &[&str]) -> Person {
    let socket = fake.socket.to_str().unwrap();
    Person::sit_down(80, &[&["--socket", socket], words].concat(), &[])
}

fn applied(fake: &Fake) -> bool {
    let apply = |r: &Request| matches!(r, Request::Package(PackageRequest::Apply { .. }));
    fake.asked().iter().any(apply)
}

#[test]
fn yes_in_any_spelling() {
    for answer in ["y\n", "Yes\n", " YES \n"] {
        let fake = Fake::start(healthy);
        let mut person = at_terminal(&fake, &["install", "zlib"]);
        person.sees("install  zlib     -     1.3.1-1");
        person.sees_row("Go on? [y/N]");
        person.types(answer);
        person.sees("Generation 7 is the current one.");
        assert_eq!(person.leaves(), Some(0));
        assert!(applied(&fake), "{answer:?}");
    }
}

/// Only a yes is one: whoever hits return, or types ahead, has agreed to nothing.
#[test]
fn everything_else_is_no() {
    for answer in ["\n", "n\n", "yeah\n", "yy\n", "\x04", "y\x7f\n"] {
        let fake = Fake::start(healthy);
        let mut person = at_terminal(&fake, &["install", "zlib"]);
        person.sees("Go on? [y/N]");
        person.types(answer);
        person.sees_row("");
        person.sees("nothing was changed");
        assert_eq!(person.leaves(), Some(1), "{answer:?}");
        assert!(!applied(&fake), "{answer:?}");
    }
}

#[test]
fn interrupting_the_question_changes_nothing() {
    let fake = Fake::start(healthy);
    let mut person = at_terminal(&fake, &["remove", "zlib"]);
    person.sees("Go on? [y/N]");
    person.types("\x03");
    assert_eq!(person.leaves(), Some(130));
    assert!(!applied(&fake));
}

/// Beyond Apply there is no half way: a person who leaves is told that pkgd does not.
#[test]
fn interrupting_a_change_says_that_pkgd_goes_on() {
    let waiting = AtomicBool::new(true);
    let fake = Fake::start(move |request, wire| match request {
        Request::Package(PackageRequest::Apply { .. }) => {
            while waiting.load(Ordering::SeqCst) {
                wire.progress("unpacking", 1, 4);
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
        other => healthy(other, wire),
    });
    let mut person = at_terminal(&fake, &["install", "zlib", "-y"]);
    person.sees("[##--------] 1/4 unpacking zlib-1.3.1");
    person.types("\x03");
    person.sees("pkgd goes on with it; 'pkgctl ");
    assert_eq!(person.leaves(), Some(130));
}

#[test]
fn the_shell_asks_too_and_goes_on() {
    let fake = Fake::start(healthy);
    let mut person = at_terminal(&fake, &[]);
    person.sees_row("minos>");
    person.types("rollback\r");
    person.sees("1.3.1-1");
    person.sees_row("Go back to the generation before the current one? [y/N]");
    person.types("y\n");
    person.sees("nothing");
    person.types("switch 3\r");
    person.sees_row("Make generation 3 the current one? [y/N]");
    person.types("n\n");
    person.sees("nothing was changed");
    person.types("exit\r");
    assert_eq!(person.leaves(), Some(0));
    let switch =
        |generation| Request::Package(PackageRequest::Switch { generation, dry_run: false });
    assert!(!fake.asked().contains(&switch(3)));
    assert!(fake.asked().contains(&switch(6)));
}

/// A plan of many packages must fit the narrowest console.
#[test]
fn a_narrow_screen_shows_all_of_it() {
    let fake = Fake::start(|_, wire| {
        let row = |n: u64| vec![format!("package-{n}").into(), "a description of it".into()];
        let sheet = Sheet::new("list").fact("installed_size", 5u64);
        let rows = (0..3).map(row).collect();
        wire.reply(Reply::Sheet(sheet.grid("packages", &["name", "description"], rows)));
    });
    let socket = fake.socket.to_str().unwrap();
    let person = Person::sit_down(24, &["--socket", socket, "list"], &[]);
    person.sees("package-2");
    assert!(person.rows().iter().all(|r| r.trim_end().len() <= 24), "{:?}", person.rows());
    assert_eq!(person.leaves(), Some(0));
}
