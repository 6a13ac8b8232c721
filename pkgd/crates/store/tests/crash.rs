//! Power is cut at every single sync of a build, with every kind of luck about what the disk still
//! wrote: afterwards the state is exactly what it was after the last acknowledged commit, or after
//! the one that was being made. Nothing is half there, nothing acknowledged is lost.

mod common;

use common::disk::{Cache, Disk};
use common::script::{Op, dump, long_build, open, place_outputs, run};
use minos_store::Store;

/// The syncs of an undisturbed run: of all, and those of redb's own durable commits, where a power
/// cut has the most ways to go.
struct Syncs {
    all: u64,
    of_redb: Vec<u64>,
}

/// The state after each commit of an undisturbed run; the first is that of a new database.
fn undisturbed(ops: &[Op], root: &std::path::Path) -> (Vec<String>, Syncs) {
    let disk = Disk::default();
    let store = open(&disk, root).unwrap();
    let mut dumps = vec![dump(&store).unwrap()];
    let mut of_redb: Vec<u64> = (1..=disk.syncs()).collect();
    for (at, op) in (1..).zip(ops) {
        let before = disk.syncs();
        run(&store, at, *op).unwrap();
        if disk.syncs() > before + 1 {
            of_redb.extend(before + 1..=disk.syncs() + 1);
        }
        dumps.push(dump(&store).unwrap());
    }
    (dumps, Syncs { all: disk.syncs(), of_redb })
}

/// Runs until the power goes and returns how many commits were acknowledged.
fn run_until_cut(disk: &Disk, root: &std::path::Path, ops: &[Op]) -> Option<usize> {
    let store = open(disk, root).ok()?;
    let acknowledged = (1..).zip(ops).take_while(|(at, op)| run(&store, *at, **op).is_ok()).count();
    Some(acknowledged)
}

fn check(store: &Store, dumps: &[String], acknowledged: Option<usize>, story: &str) -> usize {
    let found = dump(store).unwrap();
    let least = acknowledged.unwrap_or(0);
    let at = (least..dumps.len().min(least + 2)).find(|at| dumps[*at] == found);
    let at = at.unwrap_or_else(|| panic!("{story}: neither commit {least} nor the next:\n{found}"));
    let report = store.read().unwrap().check().unwrap();
    assert_eq!(report.contradictions, Vec::<String>::new(), "{story}");
    at
}

#[test]
fn power_cut_at_every_sync_leaves_the_last_commit_or_the_next() {
    let dir = tempfile::tempdir().unwrap();
    place_outputs(dir.path());
    let ops = long_build();
    let (dumps, syncs) = undisturbed(&ops, dir.path());
    assert!(ops.len() > 64, "the journal must run full in this test");
    for n in 1..=syncs.all {
        for cache in [Cache::Lost, Cache::Written, Cache::Torn(n), Cache::Torn(n << 32)] {
            let story = format!("cut at sync {n} of {}, {cache:?}", syncs.all);
            let disk = Disk::default();
            disk.cut_at(n);
            let acknowledged = run_until_cut(&disk, dir.path(), &ops);
            let disk = disk.after_power_cut(cache);
            let store = open(&disk, dir.path()).unwrap_or_else(|e| panic!("{story}: {e}"));
            check(&store, &dumps, acknowledged, &story);
        }
    }
}

/// The second cut comes while the first one is being recovered from, at each of its syncs.
#[test]
fn power_cut_during_recovery_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    place_outputs(dir.path());
    let ops = long_build();
    let (dumps, syncs) = undisturbed(&ops, dir.path());
    let lucks = [Cache::Lost, Cache::Torn(77), Cache::Written];
    for (n, luck) in syncs.of_redb.iter().flat_map(|n| lucks.map(|luck| (*n, luck))) {
        let first = Disk::default();
        first.cut_at(n);
        let acknowledged = run_until_cut(&first, dir.path(), &ops);
        for second in 1.. {
            let disk = first.after_power_cut(luck);
            disk.cut_at(second);
            let recovered = open(&disk, dir.path()).is_ok() && disk.syncs() < second;
            let story =
                format!("cut at sync {n}, {luck:?}, again at sync {second} of the recovery");
            for cache in [Cache::Lost, Cache::Torn(second), Cache::Written] {
                let disk = disk.after_power_cut(cache);
                let store = open(&disk, dir.path()).unwrap_or_else(|e| panic!("{story}: {e}"));
                check(&store, &dumps, acknowledged, &story);
            }
            if recovered {
                break;
            }
        }
    }
}

#[test]
fn build_goes_on_after_a_cut_and_ends_the_same() {
    let dir = tempfile::tempdir().unwrap();
    place_outputs(dir.path());
    let ops = long_build();
    let (dumps, syncs) = undisturbed(&ops, dir.path());
    for n in (1..=syncs.all).step_by(5) {
        let disk = Disk::default();
        disk.cut_at(n);
        let acknowledged = run_until_cut(&disk, dir.path(), &ops);
        let disk = disk.after_power_cut(Cache::Torn(n));
        let store = open(&disk, dir.path()).unwrap();
        let done = check(&store, &dumps, acknowledged, "after the cut");
        for (at, op) in (1..).zip(&ops).skip(done) {
            run(&store, at, *op).unwrap();
        }
        assert_eq!(dump(&store).unwrap(), dumps[ops.len()], "cut at sync {n}");
        drop(store);
        let store = open(&disk, dir.path()).unwrap();
        assert_eq!(dump(&store).unwrap(), dumps[ops.len()], "cut at sync {n}, reopened");
    }
}

/// `kill -9`: everything written is there, synced or not, and redb had no chance to close.
#[test]
fn killed_daemon_loses_no_acknowledged_commit() {
    let dir = tempfile::tempdir().unwrap();
    place_outputs(dir.path());
    let ops = long_build();
    let (dumps, _) = undisturbed(&ops, dir.path());
    for stop in 0..=ops.len() {
        let disk = Disk::default();
        let store = open(&disk, dir.path()).unwrap();
        for (at, op) in (1..).zip(&ops[..stop]) {
            run(&store, at, *op).unwrap();
        }
        let (database, journal) = disk.live();
        disk.after_power_cut(Cache::Lost);
        drop(store);
        let store = open(&Disk::with(database, journal), dir.path()).unwrap();
        assert_eq!(dump(&store).unwrap(), dumps[stop], "killed after commit {stop}");
    }
}

/// Killed at a sync, pkgd is started again, commits a little, and then power goes: it must not have built upon what
/// the first one had written and never synced.
#[test]
fn power_cut_after_a_kill_and_a_restart_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    place_outputs(dir.path());
    let ops = long_build();
    let (dumps, syncs) = undisturbed(&ops, dir.path());
    for n in (1..=syncs.all).filter(|n| n % 5 == 0 || syncs.of_redb.contains(n)) {
        let first = Disk::default();
        first.cut_at(n);
        let acknowledged = run_until_cut(&first, dir.path(), &ops);
        for more in 0..3 {
            let disk = first.after_kill();
            let store = open(&disk, dir.path()).unwrap();
            let story = format!("killed at sync {n}, cut after {more} more commits");
            let mut done = check(&store, &dumps, acknowledged, &story);
            for op in ops.iter().skip(done).take(more) {
                done += 1;
                run(&store, done as u64, *op).unwrap();
            }
            let lucks = [Cache::Lost, Cache::Torn(n), Cache::Written];
            let cut = lucks.map(|cache| disk.after_power_cut(cache));
            drop(store);
            for disk in cut {
                let store = open(&disk, dir.path()).unwrap_or_else(|e| panic!("{story}: {e}"));
                assert_eq!(check(&store, &dumps, Some(done), &story), done, "{story}");
            }
        }
    }
}

/// Redb's durable commits are seven syncs; on a busy disk an open waits for nothing else.
#[test]
fn opening_after_a_kill_takes_two_syncs() {
    let dir = tempfile::tempdir().unwrap();
    place_outputs(dir.path());
    let ops = long_build();
    for stop in [1, ops.len() / 2, ops.len()] {
        let disk = Disk::default();
        let store = open(&disk, dir.path()).unwrap();
        for (at, op) in (1..).zip(&ops[..stop]) {
            run(&store, at, *op).unwrap();
        }
        let disk = disk.after_kill();
        drop(store);
        let _store = open(&disk, dir.path()).unwrap();
        assert!(disk.syncs() <= 2, "{} syncs", disk.syncs());
    }
}
