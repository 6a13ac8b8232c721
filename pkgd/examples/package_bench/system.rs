//! Work on an installed system. Each function is one process: what prepares is another one, so that time and
//! memory are those of the work alone.

use std::fs;
use std::path::{Path, PathBuf};

use minos_model::Digest;
use minos_store::fs::RealFs;
use minos_store::{
    ContentSource, Depth, Incoming, NoTriggers, Options, Request, Retention, Store, SysrootMode,
    System, SystemOptions,
};

use crate::Done;
use crate::disk::files;
use crate::meter::{measure, measure_of};
use crate::universe::Universe;

/// Times a short piece of work is done.
const RUNS: usize = 21;
/// Packages of the composed root.
const SYSROOT: usize = 30;

fn clock() -> u64 {
    1_000_000
}

/// A state root, open.
struct Place {
    dir: PathBuf,
    store: Store,
    fs: RealFs,
}

impl Place {
    fn open(dir: &Path) -> Done<Self> {
        fs::create_dir_all(dir)?;
        let store = Store::open(dir, clock(), Options::default())?;
        Ok(Self { dir: dir.to_owned(), store, fs: RealFs::new(dir)? })
    }

    fn system(&self) -> Done<System<'_>> {
        let system = System::new(&self.store, &self.fs, SystemOptions::default())?;
        system.settle(&clock)?;
        Ok(system)
    }
}

fn apply(system: &System<'_>, install: Vec<Incoming>, source: &dyn ContentSource) -> Done<u64> {
    let plan = system.plan(&Request { install, ..Request::default() })?;
    Ok(system.apply(&plan, source, &mut NoTriggers, None, &clock)?.generation)
}

/// Installs the package files of `dir/mpk/VERSION`, or updates to them: open, verify, plan, apply, durable.
pub fn install(state: &Path, dir: &Path, version: u64) -> Done {
    measure("install", 1, || {
        let place = Place::open(state)?;
        let (files, incoming) = files(dir, version)?;
        apply(&place.system()?, incoming, &files)
    })
    .map(drop)
}

/// Compares the current root with its manifests.
pub fn verify(state: &Path, depth: Depth) -> Done {
    let verified = measure("verify", 1, || Ok(Place::open(state)?.system()?.verify(depth)?))?;
    if verified.findings.is_empty() { Ok(()) } else { Err("the root is not as installed".into()) }
}

fn installed(place: &Place) -> Done<Vec<Digest>> {
    Ok(place.store.read()?.installed()?.into_iter().map(|i| i.package.digest).collect())
}

/// A root of 30 packages.
pub fn sysroot(state: &Path) -> Done {
    let place = Place::open(state)?;
    let system = place.system()?;
    let packages: Vec<Digest> = installed(&place)?.into_iter().take(SYSROOT).collect();
    let name = "bench".parse()?;
    // It stays: deleting it would count for the process.
    measure("sysroot", 1, || Ok(system.compose(&packages, &name, SysrootMode::Hardlink)?)).map(drop)
}

/// Questions that a daemon is asked: owner of a file, files of a package, what is installed, nothing to do.
pub fn query(state: &Path) -> Done {
    let place = Place::open(state)?;
    let system = place.system()?;
    let name = "p7".parse()?;
    measure("query.owner", RUNS, || Ok(system.owners(b"usr/share/p7/f77")?))?;
    measure("query.files", RUNS, || Ok(system.files(&name)?))?;
    measure("query.installed", RUNS, || Ok(place.store.read()?.installed()?))?;
    measure("query.nothing-to-do", RUNS, || Ok(system.plan(&Request::default())?))?;
    Ok(())
}

/// Prepares a system of `packages` packages with 229 small files each, and a second generation of it.
pub fn make_large(state: &Path, packages: usize) -> Done {
    let place = Place::open(state)?;
    let system = place.system()?;
    let mut universe = Universe::new(packages, 229)?;
    apply(&system, universe.incoming(), &universe)?;
    let changed = universe.update(2, 1)?;
    apply(&system, changed, &universe).map(drop)
}

/// Switches back and forward, as often as a daemon does a short piece of work. Both ways count: a median of all took the
/// quicker one alone, and hid what the other one cost.
pub fn switch(state: &Path) -> Done {
    let place = Place::open(state)?;
    let system = place.system()?;
    measure_of("switch", RUNS, 2.0, || {
        system.switch(1, "bench", None, &clock)?;
        Ok(system.switch(2, "bench", None, &clock)?)
    })
    .map(drop)
}

/// Prepares a hundred generations of `packages` packages, one in a hundred of which changes each time.
pub fn make_generations(state: &Path, packages: usize) -> Done {
    let place = Place::open(state)?;
    let system = place.system()?;
    let mut universe = Universe::new(packages, 10)?;
    apply(&system, universe.incoming(), &universe)?;
    for version in 2..=100 {
        let changed = universe.update(version, (packages / 100).max(1))?;
        apply(&system, changed, &universe)?;
    }
    Ok(())
}

/// Finds what nothing reaches, were only 50 generations kept.
pub fn mark(state: &Path) -> Done {
    let place = Place::open(state)?;
    let system = place.system()?;
    let keep = Retention::Policy { newest: 50, younger_than_ms: 0 };
    measure("mark", RUNS, || Ok(system.count_garbage(keep, clock())?)).map(drop)
}

/// Prepares a database of so many MiB, as a killed process leaves it in `state/killed`.
pub fn make_killed(state: &Path, mebibytes: u64) -> Done {
    let place = Place::open(&state.join("living"))?;
    let mut version = 0;
    while fs::metadata(place.dir.join("state.redb"))?.len() < mebibytes << 20 {
        let body = vec![0; 64 << 10];
        version += 1;
        place
            .store
            .write(|w| (0..10).try_for_each(|n| w.event(n, body.clone(), version).map(drop)))?;
    }
    // The files as they are now, without redb's tidy end.
    let copy = state.join("killed");
    fs::create_dir_all(&copy)?;
    for name in ["state.redb", "state.log"] {
        fs::copy(place.dir.join(name), copy.join(name))?;
        // Or the first sync would write the whole copy.
        fs::File::open(copy.join(name))?.sync_all()?;
    }
    drop(place);
    Ok(fs::remove_dir_all(state.join("living"))?)
}

/// Opens what a killed process left, up to the first answer.
pub fn open(state: &Path) -> Done {
    // The store is closed behind the measure: pkgd never closes it.
    measure("open", 1, || {
        let store = Store::open(state, clock(), Options::default())?;
        store.read()?.jobs(1)?;
        Ok(store)
    })
    .map(drop)
}
