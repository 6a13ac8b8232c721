//! What a step needs to run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use minos_model::{Phase, StepId};
use minos_suite::{Before, Expected};

use crate::jobserver::Pool;
use crate::under_way::UnderWay;
use crate::variation::Variation;

/// Limits of each phase of a step.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest time without a byte of output.
    pub silence: Duration,
    /// Longest time in all.
    pub wall: Duration,
    /// Memory of the whole tree in bytes; 0 for no limit.
    pub memory_bytes: u64,
    /// Processes at once.
    pub processes: u64,
    /// Largest log of one attempt in bytes.
    pub log_bytes: u64,
    /// The step is stopped when the scratch file system has less than this left.
    pub reserve_bytes: u64,
}

impl Default for Limits {
    /// Limits that no step of LFS comes near on a slow machine, but that end a runaway one.
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30 * 60),
            wall: Duration::from_secs(24 * 3600),
            memory_bytes: 0,
            processes: 4096,
            log_bytes: 256 << 20,
            reserve_bytes: 64 << 20,
        }
    }
}

/// What the recipe allows an output to carry beyond plain files, as absolute paths.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Files that may be setuid or setgid, directories that may be setgid.
    pub setuid: Vec<String>,
    /// Files and directories that may have extended attributes.
    pub xattrs: Vec<String>,
}

/// What is known of the package's test suite.
#[derive(Debug, Clone, Default)]
pub struct Suite {
    /// What only the suite sees, above what the step is built of: trees of outputs, top first.
    pub inputs: Vec<PathBuf>,
    /// A suite that fails, fails the step; otherwise it is only told.
    pub fatal: bool,
    /// The tests that are known to fail.
    pub expected: Expected,
    /// What it came to the last time.
    pub before: Option<Before>,
    /// Set for a suite that can go on where it was interrupted.
    pub under_way: Option<UnderWay>,
}

/// A request to stop, shared with whoever may make it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A token nobody has used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the stop. It takes effect within a fraction of a second.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the stop was asked for.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One step, ready to run.
#[derive(Debug, Clone)]
pub struct Task {
    /// The step.
    pub step: StepId,
    /// What the root is made of, top first: trees of the outputs it depends on.
    pub inputs: Vec<PathBuf>,
    /// The host tools below the inputs; `None` for a root that has nothing but them. The environment is that
    /// of a cross build with a seed, that of the book's chroot without.
    pub seed: Option<PathBuf>,
    /// The step's own scratch directory. It may hold checkpoints of an earlier attempt.
    pub scratch: PathBuf,
    /// Phases whose layers in `scratch` are complete: they are not run again.
    pub done: Vec<Phase>,
    /// The phases in running order, each with the text of its script.
    pub scripts: Vec<(Phase, String)>,
    /// Contents of the recipe's own files, by path below `/recipe`.
    pub files: Vec<(String, Vec<u8>)>,
    /// Sources by name below `/sources`, verified by the caller.
    pub sources: Vec<(String, PathBuf)>,
    /// Environment of the recipe, over the base environment.
    pub env: Vec<(String, String)>,
    /// Where `install` may write, for example `/lfs`.
    pub prefix: String,
    /// What is held against the phase [`Phase::Check`].
    pub suite: Suite,
    /// What the output may carry.
    pub allowed: Allowed,
    /// `make -j`: jobs at once, those of other steps of the pool included where there is one.
    pub jobs: u16,
    /// What steps that run at once share; `None` for a step that runs alone.
    pub pool: Option<Pool>,
    /// Seconds since the Unix epoch that stand for "now" in the output.
    pub epoch: i64,
    /// Build slot: steps that run at the same time have different ones and so different user ids.
    pub slot: u16,
    /// Under which conditions: the usual ones, unless this is a second build that is to be compared.
    pub variation: Variation,
    /// Limits.
    pub limits: Limits,
    /// The listener is told which files of the layers the step opens. It should have no finished phases then:
    /// they would not be told of.
    pub observe: bool,
    /// A weaker sandbox was accepted by name.
    pub weak: bool,
    /// Ends the step when asked.
    pub cancel: Cancel,
}

impl Task {
    /// The lower layers of the root, top first.
    pub fn layers(&self) -> impl Iterator<Item = &Path> {
        self.inputs.iter().chain(&self.seed).map(PathBuf::as_path)
    }
}
