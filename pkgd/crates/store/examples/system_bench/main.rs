//! What packages and generations cost:
//! `cargo run --release -p minos-store --example system_bench -- DIR [--json] [--scale N] [--only W1,W7]`.
//!
//! Contents come from memory, so that what is measured is the store: W1 install of 100 packages
//! (20,000 files, 270 MB), W2 update of all of them where 600 files differ (without and with a spare
//! root), W4 verify, W7 switch on 230,000 files, W8 marking of 100 generations of 1,000 packages, W9 a
//! root of 30 packages, W11 opening after a kill. DIR is on the file system that is to be measured; what
//! is made in it is deleted. `--scale` multiplies the packages of W1, W2 and W4.

mod generate;
mod measure;

use std::path::{Path, PathBuf};

use generate::{Shape, Universe};
use measure::{Report, measure};
use minos_store::fs::RealFs;
use minos_store::{
    Depth, NoTriggers, Options, Request, Retention, Store, SysrootMode, System, SystemOptions,
};

type Done<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn clock() -> u64 {
    1_000_000
}

/// A state root that is deleted at the end.
struct Place {
    dir: PathBuf,
    store: Store,
    fs: RealFs,
}

impl Place {
    fn new(dir: &Path, name: &str) -> Done<Self> {
        let dir = dir.join(name);
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        let store = Store::open(&dir, clock(), Options::default())?;
        let fs = RealFs::new(&dir)?;
        Ok(Self { dir, store, fs })
    }

    fn system(&self) -> Done<System<'_>> {
        Ok(System::new(&self.store, &self.fs, SystemOptions::default())?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn apply(system: &System<'_>, universe: &Universe) -> Done<u64> {
    let request = Request { install: universe.incoming(), ..Request::default() };
    let plan = system.plan(&request)?;
    Ok(system.apply(&plan, universe, &mut NoTriggers, None, &clock)?.generation)
}

/// W1, W2, W4: install, update, verify.
fn packages(dir: &Path, scale: usize, report: &mut Report) -> Done {
    let place = Place::new(dir, "packages")?;
    let system = place.system()?;
    let shape = Shape { packages: 100 * scale, files: 200 };
    let mut universe = Universe::new(shape);
    let size = universe.bytes() >> 20;
    let files = shape.packages * shape.files;
    report.line(
        &format!("W1 install, {files} files, {size} MiB"),
        measure(|| apply(&system, &universe))?,
    );
    report.line("W4 verify, every byte", measure(|| Ok(system.verify(Depth::Content)?))?);
    report.line("W4 verify, metadata only", measure(|| Ok(system.verify(Depth::Metadata)?))?);
    let thirty = universe.digests(30);
    let name = "bench".parse()?;
    let compose = || Ok(system.compose(&thirty, &name, SysrootMode::Hardlink)?);
    report.line("W9 root of 30 packages, 6,000 files", measure(compose)?);
    universe.update(2);
    report.line("W2 update, 3 % of files, no spare root", measure(|| apply(&system, &universe))?);
    universe.update(3);
    apply(&system, &universe)?;
    universe.update(4);
    report.line("W2 update, 3 % of files, spare root", measure(|| apply(&system, &universe))?);
    report.line("W5 plan of nothing", measure(|| Ok(system.plan(&Request::default())?))?);
    report.line("W6 owner of a file", measure(|| Ok(system.owners(b"usr/share/p7/f7")?))?);
    Ok(())
}

/// W7 and W9: switching on a large system, a root of some packages, one package updated.
fn large(dir: &Path, report: &mut Report) -> Done {
    let place = Place::new(dir, "large")?;
    let system = place.system()?;
    let mut universe = Universe::small(Shape { packages: 1000, files: 229 });
    report.line("   install, 230,000 files of 64 bytes", measure(|| apply(&system, &universe))?);
    universe.update_one(2);
    let request = Request { install: vec![universe.one()], ..Request::default() };
    let one = |_: u64| -> Done<u64> {
        let plan = system.plan(&request)?;
        Ok(system.apply(&plan, &universe, &mut NoTriggers, None, &clock)?.generation)
    };
    report.line("   update of 1 of 1,000 packages, no spare root", measure(|| one(2))?);
    let switch = |to| measure(|| Ok(system.switch(to, "bench", None, &clock)?));
    report.line("W7 switch back, 230,000 files", switch(1)?);
    report.line("W7 switch forward, 230,000 files", switch(2)?);
    universe.update_one(3);
    let request = Request { install: vec![universe.one()], ..Request::default() };
    let plan = system.plan(&request)?;
    system.apply(&plan, &universe, &mut NoTriggers, None, &clock)?;
    universe.update_one(4);
    let request = Request { install: vec![universe.one()], ..Request::default() };
    let last = measure(|| {
        let plan = system.plan(&request)?;
        Ok(system.apply(&plan, &universe, &mut NoTriggers, None, &clock)?.generation)
    });
    report.line("   update of 1 of 1,000 packages, spare root", last?);
    Ok(())
}

/// W11: opening the database of a large system after its process was killed.
fn open_after_kill(dir: &Path, report: &mut Report) -> Done {
    let place = Place::new(dir, "killed")?;
    let mut version = 0;
    while std::fs::metadata(place.dir.join("state.redb"))?.len() < 200 << 20 {
        let body = vec![0; 64 << 10];
        version += 1;
        place
            .store
            .write(|w| (0..50).try_for_each(|n| w.event(n, body.clone(), version).map(drop)))?;
    }
    let size = std::fs::metadata(place.dir.join("state.redb"))?.len() >> 20;
    // What a killed process leaves: the files as they are, without redb's tidy end.
    let copy = dir.join("copy");
    std::fs::create_dir_all(&copy)?;
    for name in ["state.redb", "state.log"] {
        std::fs::copy(place.dir.join(name), copy.join(name))?;
        // Or the first sync would write the whole copy.
        std::fs::File::open(copy.join(name))?.sync_all()?;
    }
    let work = || Ok(Store::open(&copy, clock(), Options::default())?.read()?.jobs(1)?);
    report.line(&format!("W11 open {size} MiB after a kill"), measure(work)?);
    std::fs::remove_dir_all(&copy)?;
    Ok(())
}

/// W8: a hundred generations of a thousand packages, ten of which change each time.
fn generations(dir: &Path, report: &mut Report) -> Done {
    let place = Place::new(dir, "generations")?;
    let system = place.system()?;
    let mut universe = Universe::small(Shape { packages: 1000, files: 10 });
    apply(&system, &universe)?;
    for version in 2..=100 {
        universe.update_some(version, 10);
        let request = Request { install: universe.some(version, 10), ..Request::default() };
        let plan = system.plan(&request)?;
        system.apply(&plan, &universe, &mut NoTriggers, None, &clock)?;
    }
    let keep = Retention { newest: 50, younger_than_ms: 0 };
    report.line(
        "W8 mark 50 of 100 generations",
        measure(|| Ok(system.count_garbage(keep, clock())?))?,
    );
    let collect = || Ok(system.collect(keep, false, None, &clock, &|| false)?);
    report.line("W8 collect them", measure(collect)?);
    Ok(())
}

fn main() -> Done {
    let mut dir = None;
    let (mut json, mut scale, mut only) = (false, 1, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--json" => json = true,
            "--scale" => scale = args.next().ok_or("--scale needs a number")?.parse()?,
            "--only" => only = args.next(),
            _ => dir = Some(PathBuf::from(arg)),
        }
    }
    let dir = dir.ok_or("usage: system_bench DIR [--json] [--scale N] [--only W1,W7,W8]")?;
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only.split(',').any(|o| o == name));
    let mut report = Report::new(json);
    if wanted("W1") {
        packages(&dir, scale, &mut report)?;
    }
    if wanted("W7") {
        large(&dir, &mut report)?;
    }
    if wanted("W8") {
        generations(&dir, &mut report)?;
    }
    if wanted("W11") {
        open_after_kill(&dir, &mut report)?;
    }
    report.end();
    Ok(())
}
