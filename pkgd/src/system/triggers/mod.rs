//! Triggers: programs of the new system that bring up to date what is made of many packages' files.
//!
//! They are a table of this program, not of packages. Each runs in a box on the root that is put together: reading
//! all of it, writing in one folder of an overlay. What it leaves there becomes part of the generation, after a look
//! at each path. A root that does not have the program is not in need of it.

pub mod batch;
mod gather;
mod info;
mod libraries;
mod run;
mod table;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use minos_sandbox::Strength;
use minos_sandbox::tree::Dir;
use minos_store::{Made, Staged, Triggers};

use table::{Call, TABLE};
pub use table::{caches, maker};

/// How much a trigger may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until it is killed.
    pub time: Duration,
    /// Bytes of memory, where there are cgroups.
    pub memory: u64,
    /// Whether a kernel without the required Landlock will do.
    pub strength: Strength,
}

impl Limits {
    /// So much time, and a gigabyte.
    pub const fn new(time: Duration, strength: Strength) -> Self {
        Self { time, memory: 1 << 30, strength }
    }
}

/// Told which program runs, and how many of how many have run before.
pub type Tell<'a> = &'a dyn Fn(&str, u64, u64);

/// Runs triggers in boxes. At most one at a time for a state: all use the same scratch folder.
pub struct Runner<'a> {
    state_root: PathBuf,
    limits: Limits,
    tell: Tell<'a>,
}

impl<'a> Runner<'a> {
    /// For the state at `state_root`, an absolute path.
    pub fn new(state_root: &Path, limits: Limits, tell: Tell<'a>) -> Self {
        Self { state_root: state_root.to_owned(), limits, tell }
    }

    fn scratch(&self) -> PathBuf {
        self.state_root.join("scratch").join("triggers")
    }

    /// Runs the calls in their order, each on what those before have left.
    fn run_all(&self, root: &Path, calls: &[Call]) -> Result<Vec<Made>, String> {
        let mut layers = vec![root.to_owned()];
        let mut made = Vec::new();
        for (number, call) in calls.iter().enumerate() {
            (self.tell)(call.name, number as u64, calls.len() as u64);
            let failed = |why: String| format!("trigger {}: {why}", call.name);
            let scratch = self.scratch().join(number.to_string());
            let place = run::Place::make(&scratch, call).map_err(failed)?;
            run::run(call, &layers, &place, &self.limits).map_err(failed)?;
            let io = |e: io::Error| failed(e.to_string());
            let (lower, upper) =
                (Dir::open(root).map_err(io)?, Dir::open(&place.tree()).map_err(io)?);
            made.extend(gather::gather(call, &lower, &upper).map_err(failed)?);
            layers.insert(0, place.tree());
        }
        Ok(made)
    }
}

impl Triggers for Runner<'_> {
    fn run(&mut self, staged: &Staged<'_>) -> Result<Vec<Made>, String> {
        let root = self.state_root.join(staged.root);
        let on_root = |e: io::Error| format!("{}: {e}", root.display());
        let calls = table::calls(TABLE, &Dir::open(&root).map_err(on_root)?, staged.changed);
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let scratch = self.scratch();
        let on_scratch = |e: io::Error| format!("{}: {e}", scratch.display());
        // What a killed pkgd left: its box is dead, since it dies with pkgd.
        clear(&scratch).map_err(on_scratch)?;
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&scratch).map_err(on_scratch)?;
        let made = self.run_all(&root, &calls);
        clear(&scratch).map_err(on_scratch)?;
        made
    }
}

/// Removes a folder that programs have written in.
fn clear(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    match Dir::open(parent) {
        Ok(parent) => parent.remove_tree(name),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}
