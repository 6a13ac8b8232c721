//! Why a system could not be changed.

use core::fmt;
use std::io;
use std::path::PathBuf;

use minos_model::{Digest, Name};

use crate::error::StoreError;
use crate::fs::is_gone;

/// Something that stands against a plan. All of them are found before the first write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// A package to be removed is not installed.
    NotInstalled {
        /// The package.
        package: Name,
    },
    /// A package is held.
    Held {
        /// The package.
        package: Name,
        /// Why, in the words of who held it.
        note: String,
    },
    /// Two packages of one name were asked for.
    Twice {
        /// The name.
        package: Name,
    },
    /// A named owner of the package's files has no number.
    NoAccount {
        /// The package.
        package: Name,
        /// The user or group.
        account: String,
    },
    /// Two packages cannot both have a path.
    Path {
        /// The path, relative to the root, as printable text.
        path: String,
        /// Who has it; `None` when several packages share the directory.
        owner: Option<Name>,
        /// Who wants it.
        package: Name,
        /// What is wrong.
        why: &'static str,
    },
    /// A package that comes has a path where no package should have one.
    Misplaced {
        /// The package.
        package: Name,
        /// The path, relative to the root, as printable text.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// An installed package needs a shared library that would go.
    Soname {
        /// The library.
        soname: String,
        /// Whose old version has it.
        package: Name,
        /// Who needs it.
        needed_by: Name,
    },
    /// The disk has not enough room.
    Space {
        /// Bytes that would be written.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// Bytes that must stay free.
        reserve: u64,
    },
    /// The file system cannot take so many files.
    Inodes {
        /// Files and directories that would be made.
        needed: u64,
        /// How many more it takes.
        free: u64,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled { package } => write!(f, "{package} is not installed"),
            Self::Held { package, note } if note.is_empty() => write!(f, "{package} is held"),
            Self::Held { package, note } => write!(f, "{package} is held: {note}"),
            Self::Twice { package } => write!(f, "{package} is asked for twice"),
            Self::NoAccount { package, account } => {
                write!(f, "{package} has files of '{account}', who has no number")
            }
            Self::Path { path, owner: Some(owner), package, why } => {
                write!(f, "/{path}: {owner} and {package}: {why}")
            }
            Self::Path { path, owner: None, package, why } => {
                write!(f, "/{path}: {package} and others: {why}")
            }
            Self::Misplaced { package, path, why } => write!(f, "/{path}: {package}: {why}"),
            Self::Soname { soname, package, needed_by } => {
                write!(f, "{soname} would go with {package}, but {needed_by} needs it")
            }
            Self::Space { needed, free, reserve } => {
                let mib = |bytes: &u64| bytes.div_ceil(1 << 20);
                let (needed, free, reserve) = (mib(needed), mib(free), mib(reserve));
                write!(
                    f,
                    "{needed} MiB would be written, {free} MiB are free and {reserve} MiB of them stay reserved"
                )
            }
            Self::Inodes { needed, free } => {
                write!(f, "{needed} files would be made, the file system takes {free} more")
            }
        }
    }
}

/// An error of packages, generations and transactions. `Display` says what failed, where and why;
/// [`SystemError::hint`] says what to do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum SystemError {
    /// The database.
    State(StoreError),
    /// A file could not be read or written. The system is as it was.
    Io {
        /// What was tried, as in "cannot {doing} PATH".
        doing: &'static str,
        /// On which path, relative to the state root.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The plan cannot be carried out; every reason there is. Nothing was written.
    Refused(Vec<Problem>),
    /// The plan was made on another state. Nothing was written.
    Stale {
        /// The generation it was made on.
        planned: u64,
        /// The current one.
        current: u64,
    },
    /// The bytes are not a plan in canonical form.
    NoPlan {
        /// What is wrong with them.
        why: String,
    },
    /// A content is not what its digest says, or did not come at all.
    Content {
        /// The digest.
        digest: Digest,
        /// What is wrong.
        why: String,
    },
    /// The file of a package is not there any more, or no repository has it. The system is as it was.
    Gone {
        /// Digest of the package's manifest.
        package: Digest,
        /// Which file, or what of it was wanted.
        why: String,
    },
    /// A trigger failed. The system is as it was.
    Trigger {
        /// What it said.
        why: String,
    },
    /// The generation could not boot as its packages mean it to. The system is as it was.
    Boot {
        /// What is missing or wrong.
        why: String,
    },
    /// A generation is committed, but the switch to it failed. The next start completes it.
    Unfinished {
        /// The generation.
        generation: u64,
        /// What failed.
        why: String,
    },
    /// There is no such generation.
    NoGeneration {
        /// Its number; 0 when there is none at all.
        number: u64,
    },
    /// There is no such package in the current generation.
    NoPackage {
        /// What was asked for.
        what: String,
    },
    /// The store contradicts itself.
    Damaged {
        /// What contradicts what.
        what: String,
    },
}

impl SystemError {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { doing, path: path.into(), source }
    }

    /// Why something of a package could not be read from where packages come from.
    pub fn of_source(package: Digest, what: &str, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            return Self::Gone { package, why: error.to_string() };
        }
        Self::Content { digest: package, why: format!("{what} cannot be read: {error}") }
    }

    /// Whether a path was not what it had to be, as after somebody worked in a root by hand.
    pub(crate) fn is_about_shape(&self) -> bool {
        use io::ErrorKind::{AlreadyExists, IsADirectory};
        let Self::Io { source, .. } = self else { return false };
        let kinds = [AlreadyExists, IsADirectory];
        is_gone(source) || self.is_held() || kinds.contains(&source.kind())
    }

    /// Whether something cannot be deleted or looked into because somebody else holds it: it is mounted, or may not be
    /// changed.
    pub(crate) fn is_held(&self) -> bool {
        use io::ErrorKind::{CrossesDevices, DirectoryNotEmpty, PermissionDenied, ResourceBusy};
        let Self::Io { source, .. } = self else { return false };
        [CrossesDevices, DirectoryNotEmpty, PermissionDenied, ResourceBusy].contains(&source.kind())
    }

    /// What to do next, in one line.
    pub fn hint(&self) -> String {
        match self {
            Self::State(error) => error.hint(),
            Self::Io { source, .. } => io_hint(source).to_owned(),
            Self::Refused(problems) => {
                problems.first().map_or_else(|| "plan anew".to_owned(), refused_hint)
            }
            Self::Stale { .. } => "make the plan anew: something was installed since".to_owned(),
            Self::NoPlan { .. } => "make the plan anew with --dry-run".to_owned(),
            Self::Content { .. } => "fetch the package again, then retry".to_owned(),
            Self::Gone { .. } => {
                "bring it back, or run 'pkgctl repo sync' and plan anew".to_owned()
            }
            Self::Trigger { .. } => "see the trigger's output; nothing was changed".to_owned(),
            Self::Boot { .. } => {
                "install what is missing, or report this to who made the package".to_owned()
            }
            Self::Unfinished { .. } => {
                "remove the cause and restart pkgd: it ends what was begun".to_owned()
            }
            Self::NoGeneration { .. } => "list what exists with 'pkgctl generations'".to_owned(),
            Self::NoPackage { .. } => "list what is installed with 'pkgctl list'".to_owned(),
            Self::Damaged { .. } => {
                "run 'pkgctl verify --repair', then 'pkgctl db rebuild' if it stays".to_owned()
            }
        }
    }
}

fn refused_hint(problem: &Problem) -> String {
    let hint = match problem {
        Problem::NotInstalled { .. } => "list what is installed with 'pkgctl list'",
        Problem::Held { package, .. } => {
            return format!(
                "'pkgctl unhold {package}' lets go of it; a plan may ignore it (--ignore-holds)"
            );
        }
        Problem::Twice { .. } | Problem::NoAccount { .. } | Problem::Misplaced { .. } => {
            "report this to who made the package"
        }
        Problem::Path { .. } => "remove one of the two packages",
        Problem::Soname { .. } => "update or remove the package that needs it in the same step",
        Problem::Space { .. } | Problem::Inodes { .. } => "free space with 'pkgctl gc'",
    };
    hint.to_owned()
}

fn io_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull => "free space with 'pkgctl gc', then retry",
        io::ErrorKind::QuotaExceeded => "raise the quota or free space, then retry",
        io::ErrorKind::ReadOnlyFilesystem => {
            "see the kernel log for an error of the disk, then remount it read-write"
        }
        io::ErrorKind::PermissionDenied => "pkgd must run as root and own its state folder",
        io::ErrorKind::FileTooLarge => "make it smaller, or move it away; nothing was changed",
        io::ErrorKind::ResourceBusy => "something is mounted there: unmount it, then retry",
        io::ErrorKind::CrossesDevices => "it must be on the file system of the state folder",
        _ => "see the kernel log for an error of the disk, then retry",
    }
}

impl From<StoreError> for SystemError {
    fn from(error: StoreError) -> Self {
        Self::State(error)
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(error) => error.fmt(f),
            Self::Io { doing, path, source } => {
                write!(f, "cannot {doing} '{}': {source}", path.display())
            }
            Self::Refused(problems) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                write!(f, "the plan cannot be carried out: {}", lines.join("; "))
            }
            Self::Stale { planned, current } => write!(
                f,
                "the plan was made on another state of generation {planned}; the current one is {current}"
            ),
            Self::NoPlan { why } => write!(f, "this is not a plan: {why}"),
            Self::Content { digest, why } => write!(f, "the content {digest} is wrong: {why}"),
            Self::Gone { package, why } => {
                write!(f, "package {} is gone: {why}", package.short())
            }
            Self::Trigger { why } => write!(f, "a trigger failed: {why}"),
            Self::Boot { why } => write!(f, "the new generation could not boot: {why}"),
            Self::Unfinished { generation, why } => {
                write!(f, "generation {generation} is there, but the switch to it failed: {why}")
            }
            Self::NoGeneration { number: 0 } => f.write_str("there is no generation yet"),
            Self::NoGeneration { number } => write!(f, "there is no generation {number}"),
            Self::NoPackage { what } => write!(f, "there is no {what} in the current generation"),
            Self::Damaged { what } => write!(f, "the store contradicts itself: {what}"),
        }
    }
}

impl std::error::Error for SystemError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::State(error) => Some(error),
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
