//! What the solver answers.

use core::fmt;

use crate::request::Want;
use crate::universe::{PackageId, Universe};

/// Why a package is in the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The user asked for it.
    Asked,
    /// This package needs it.
    NeededBy(PackageId),
    /// Nobody asked for it and nothing needs it; `autoremove` takes it away.
    Unneeded,
}

/// What happens to a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It is new.
    Install(PackageId),
    /// A newer version takes the place of an older one, or the same version built anew.
    Upgrade {
        /// What is there now.
        from: PackageId,
        /// What will be.
        to: PackageId,
    },
    /// An older version takes the place of a newer one.
    Downgrade {
        /// What is there now.
        from: PackageId,
        /// What will be.
        to: PackageId,
    },
    /// It takes the place of packages of other names.
    Replace {
        /// What is there now.
        old: Vec<PackageId>,
        /// What will be.
        new: PackageId,
    },
    /// It goes.
    Remove(PackageId),
}

impl Action {
    /// The package that is there afterwards, or the one that goes.
    pub fn subject(&self) -> PackageId {
        match self {
            Self::Install(package) | Self::Remove(package) => *package,
            Self::Upgrade { to, .. } | Self::Downgrade { to, .. } => *to,
            Self::Replace { new, .. } => *new,
        }
    }

    /// In words: `upgrade zlib 1.2 -> 1.3`.
    pub fn describe(&self, universe: &Universe) -> String {
        let label = |package: &PackageId| universe.label(*package);
        let change = |word, from: &PackageId, to: &PackageId| {
            format!("{word} {} -> {}", label(from), universe.version_text(*to))
        };
        match self {
            Self::Install(package) => format!("install {}", label(package)),
            Self::Remove(package) => format!("remove {}", label(package)),
            Self::Upgrade { from, to } => change("upgrade", from, to),
            Self::Downgrade { from, to } => change("downgrade", from, to),
            Self::Replace { old, new } => {
                let old: Vec<String> = old.iter().map(label).collect();
                format!("replace {} by {}", old.join(", "), label(new))
            }
        }
    }
}

/// One step of the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub action: Action,
    /// Why the package is there; of a removal, why it was there.
    pub reason: Reason,
    /// Steps with the same number need each other in a circle and go together. Numbers rise along the steps.
    pub together: u32,
}

/// What the search took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Steps of the first pass and of the search.
    pub steps: u64,
    /// How often the first pass was tried.
    pub passes: u32,
    /// How often resolvo was asked.
    pub searches: u32,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// All packages of the system afterwards, sorted.
    pub packages: Vec<PackageId>,
    /// What changes, in order: what goes, each before what it needs; then what comes, each after what it needs.
    pub steps: Vec<Step>,
    /// What the user has asked for by now; to be given as [`crate::System::asked`] the next time.
    pub asked: Vec<Want>,
    /// Packages that stay although nobody asked for them and nothing needs them.
    pub unneeded: Vec<PackageId>,
    /// Whether it is known that no answer changes less, in the sense of `docs/SOLVER.md`. False only where the
    /// limits ended the attempts.
    pub minimal: bool,
    /// What it took.
    pub effort: Effort,
}

impl Answer {
    /// The whole answer as text, one step a line; the same for the same input.
    pub fn describe(&self, universe: &Universe) -> String {
        self.steps.iter().map(|step| step.action.describe(universe) + "\n").collect()
    }
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, passes, searches } = self;
        write!(f, "{steps} steps, {passes} passes, {searches} searches")
    }
}
