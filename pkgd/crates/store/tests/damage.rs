//! Damaged files: opening or reading says so, or the data is what was written. Never a panic, and
//! never other data. A daemon is built with `panic = "abort"`, so a panic here would be a daemon that
//! dies at every start without a word about the cause.

mod common;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::disk::Disk;
use common::script::{dump, long_build, open, place_outputs, run};
use minos_store::StoreError;

/// Database and journal after a build that was killed, and the state in them.
fn built(root: &std::path::Path) -> (Vec<u8>, Vec<u8>, String) {
    let disk = Disk::default();
    let store = open(&disk, root).unwrap();
    for (at, op) in (1..).zip(long_build()) {
        run(&store, at, op).unwrap();
    }
    let text = dump(&store).unwrap();
    let (database, journal) = disk.live();
    (database, journal, text)
}

/// What came of opening damaged bytes, in one word.
fn outcome(database: Vec<u8>, journal: Vec<u8>, root: &std::path::Path, good: &str) -> String {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let store = open(&Disk::with(database, journal), root)?;
        let text = dump(&store)?;
        let report = store.read()?.check()?;
        Ok::<_, StoreError>((text, report.contradictions))
    }));
    match result {
        Err(_) => "panic".to_owned(),
        Ok(Err(error)) => {
            assert!(!error.hint().is_empty());
            "error".to_owned()
        }
        Ok(Ok((text, _))) if text == good => "intact".to_owned(),
        Ok(Ok((_, contradictions))) if !contradictions.is_empty() => "contradiction".to_owned(),
        Ok(Ok(_)) => "OTHER".to_owned(),
    }
}

#[test]
fn probe() {
    let dir = tempfile::tempdir().unwrap();
    place_outputs(dir.path());
    let (database, journal, good) = built(dir.path());
    std::panic::set_hook(Box::new(|_| {}));
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut first = BTreeMap::new();
    for at in (0..database.len()).step_by(229) {
        let mut bad = database.clone();
        bad[at] ^= 1 << (at % 8);
        let what = outcome(bad, journal.clone(), dir.path(), &good);
        *counts.entry(what.clone()).or_default() += 1;
        first.entry(what).or_insert(vec![]).push(at);
    }
    for length in (0..database.len()).step_by(4096) {
        let what = "cut ".to_owned()
            + &outcome(database[..length].to_vec(), journal.clone(), dir.path(), &good);
        *counts.entry(what.clone()).or_default() += 1;
        first.entry(what).or_insert(vec![]).push(length);
    }
    for at in (0..journal.len()).step_by(229) {
        let mut bad = journal.clone();
        bad[at] ^= 1 << (at % 8);
        let what = "journal ".to_owned() + &outcome(database.clone(), bad, dir.path(), &good);
        *counts.entry(what.clone()).or_default() += 1;
        first.entry(what).or_insert(vec![]).push(at);
    }
    let _ = std::panic::take_hook();
    eprintln!("{} bytes; {counts:?}", database.len());
    for (what, list) in first {
        eprintln!("{what}: {:?}", &list[..list.len().min(20)]);
    }
    panic!("look");
}
