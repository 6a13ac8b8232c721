//! Generations: numbered lists of packages, the files that come from no package, and their roots.

mod added;
mod config;
mod current;
mod delta;
#[cfg(test)]
mod golden;
mod keep;
mod own;
mod record;
mod roots;
mod stage;

use minos_model::{Digest, Name, Version};
use serde::{Deserialize, Serialize};

use crate::packages::Node;

pub(crate) use added::{capture_added, is_edit};
pub use config::ConfigOutcome;
pub(crate) use config::{ConfigMap, Left, capture, look, merge, moved};
pub use current::Installed;
pub(crate) use current::{CONFIG_OF, CURRENT_KEY, LAST_GENERATION, LAST_PACKAGE, OPEN, PATHS_OF};
pub(crate) use delta::{FileChange, changed_files, compare};
pub(crate) use keep::Keep;
pub(crate) use own::Own;
pub(crate) use record::{Record, RecordMember, put_record, record_path};
pub(crate) use roots::{
    GENERATIONS_DIR, NEXT, ROOTS, current_link, discard_root, free_name, point_at, prepare,
    realised, remove_tree, root_path, staging_path,
};
pub(crate) use stage::{Copies, Placed, Stage, place, place_all};

/// Why a package is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// A user asked for it.
    Asked,
    /// Something else needs it.
    Dependency,
}

/// A package of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// The number of its row.
    pub package: u32,
    /// Why it is there.
    pub reason: Reason,
}

/// A generation. Never changes once it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationRow {
    /// Number, from 1; never given twice.
    pub number: u64,
    /// The generation it was made from.
    pub parent: Option<u64>,
    /// When it was made.
    pub created_ms: u64,
    /// What for, in the words of who asked.
    pub note: String,
    /// Its packages, sorted by number.
    pub members: Vec<Member>,
    /// What users have asked for, sorted, each as the solver reads it (`zlib>=1.3`, `git[docs]`).
    pub asked: Vec<String>,
}

impl GenerationRow {
    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.members.iter().map(|member| member.package).collect()
    }

    /// Digest of everything in the row: what a plan was made on.
    pub(crate) fn digest(&self) -> Digest {
        postcard::to_extend(self, Vec::new())
            .map_or(Digest::from_bytes([0; 32]), |b| Digest::of(&b))
    }
}

/// What may change about a generation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkRow {
    /// Never collected, and why.
    pub pinned: Option<String>,
    /// When it last booted and passed its checks.
    pub proven_ms: Option<u64>,
}

/// Where a file that comes from no package, or differs from its package's, comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OwnKind {
    /// A config file as edited or merged.
    Config,
    /// The package's version of a config file that could not be merged, as `PATH.new`.
    New,
    /// Made by a trigger.
    Trigger,
}

/// A file of a generation that comes from no package. It is a copy in the root, never a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnFile {
    /// Where, relative to the root.
    pub path: Vec<u8>,
    /// Where it comes from.
    pub kind: OwnKind,
    /// What stands there; `None` for a config file that was deleted.
    pub node: Option<Node>,
}

/// The own files of a generation, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnRow {
    /// The files.
    pub files: Vec<OwnFile>,
}

/// A package that no transaction changes unless told to in so many words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRow {
    /// Why.
    pub note: String,
    /// Since when.
    pub at_ms: u64,
}

/// What kind of transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransactionKind {
    /// Packages were changed: a new generation.
    Change,
    /// Another generation became the current one.
    Switch,
    /// Generations and what only they had were deleted.
    Collect,
}

/// A transaction under way. As long as the row is there, objects and roots may be half made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentRow {
    /// What kind.
    pub kind: TransactionKind,
    /// The current generation before; 0 for none.
    pub from: u64,
    /// The current generation after.
    pub to: u64,
    /// When it began.
    pub at_ms: u64,
    /// The root of `to` is being made, so that what stands at its place may be half made.
    pub makes_root: bool,
    /// User and process number of the one who asked; `None` for pkgd itself.
    pub peer: Option<(u32, u32)>,
    /// What for, in the words of who asked.
    pub note: String,
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// As asked.
    Done,
    /// Cut off, and brought to its end at the next start.
    Completed,
    /// Cut off or failed, and taken back.
    TakenBack {
        /// Why.
        why: String,
    },
}

/// What happened to a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// The package.
    pub name: Name,
    /// Its version before; `None` if it was not there.
    pub from: Option<Version>,
    /// Its version after; `None` if it is gone.
    pub to: Option<Version>,
}

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRow {
    /// Number, from 1, without gaps.
    pub number: u64,
    /// What was begun.
    pub intent: IntentRow,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub finished_ms: u64,
    /// What changed, sorted by name.
    pub changes: Vec<PackageChange>,
}
