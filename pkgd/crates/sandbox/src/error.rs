//! Why a box could not be made.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What went wrong between [`crate::spawn`] and the end of the tree.
#[derive(Debug)]
pub enum Error {
    /// The description of the box makes no sense; nothing was started.
    Spec {
        /// Which field of [`crate::Spec`].
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The helper process could not be started or talked to.
    Helper {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The helper could not finish the box. Nothing of the step has run, nothing is left behind.
    Setup(Failure),
    /// The helper was killed from outside. The tree is dead, but how it ended is not known.
    Lost,
}

/// The part of the set-up that failed, and on what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// Which part.
    pub stage: Stage,
    /// The file, directory or mount point concerned.
    pub path: Option<PathBuf>,
    /// The kernel's error number; 0 when there is none.
    pub errno: i32,
    /// More words, for example from the file system's own log.
    pub detail: String,
}

/// The parts of the set-up, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Reading the description, preparing `upper` and `work`.
    Prepare,
    /// The cgroup and its limits.
    Cgroup,
    /// The new process in its namespaces.
    Namespaces,
    /// The user and group id maps.
    IdMap,
    /// The idmapped views of layers, uppers and binds.
    Layers,
    /// The overlay on `/`.
    Root,
    /// The overlay on `/build`.
    Build,
    /// `/proc`, `/dev`, `/tmp` and `/run`.
    Mounts,
    /// The read-only binds.
    Binds,
    /// Changing to the new root and letting go of the old one.
    Pivot,
    /// Host name and loopback.
    Identity,
    /// Resource limits.
    Limits,
    /// Capabilities, ids, no_new_privs.
    Privileges,
    /// The Landlock rules.
    Landlock,
    /// The system call filter.
    Filter,
    /// Watching which files are opened.
    Witness,
    /// Starting the program itself.
    Exec,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare the scratch directories",
            Self::Cgroup => "set up the cgroup",
            Self::Namespaces => "create the namespaces",
            Self::IdMap => "write the id maps",
            Self::Layers => "map the layers",
            Self::Root => "mount the root overlay",
            Self::Build => "mount the overlay on /build",
            Self::Mounts => "mount proc, dev, tmp and run",
            Self::Binds => "bind the inputs",
            Self::Pivot => "change the root",
            Self::Identity => "set host name and loopback",
            Self::Limits => "set the limits",
            Self::Privileges => "drop the privileges",
            Self::Landlock => "apply Landlock",
            Self::Filter => "install the system call filter",
            Self::Witness => "watch which files it opens",
            Self::Exec => "execute the program",
        }
    }

    /// What the user can do about it.
    fn hint(self) -> &'static str {
        match self {
            Self::Prepare => "check that the scratch directory is writable and has space",
            Self::Cgroup => "check that cgroups are mounted and writable",
            Self::Namespaces | Self::IdMap => {
                "needs root, CONFIG_USER_NS and user.max_user_namespaces > 0"
            }
            Self::Layers => {
                "needs Linux 6.8 and a file system with idmapped mounts (ext4, xfs, btrfs, \
                 squashfs; not NFS, not FUSE)"
            }
            Self::Root | Self::Build => "needs Linux 6.8 with overlayfs in user namespaces",
            Self::Mounts => {
                "/proc of the host must not be partly hidden, as it is in many containers"
            }
            Self::Binds => "no layer may have a symbolic link on the way to a bind's target",
            Self::Landlock => "boot with Landlock in lsm=, or accept --sandbox weak",
            Self::Witness => "needs a kernel with fanotify; build without --observe",
            Self::Exec => "the program and its interpreter must be in a layer or a bind",
            Self::Pivot | Self::Identity | Self::Limits | Self::Privileges | Self::Filter => {
                "run `pkgctl doctor`"
            }
        }
    }
}

impl Failure {
    /// A failure without an error number.
    pub(crate) fn new(stage: Stage, detail: impl Into<String>) -> Self {
        Self { stage, path: None, errno: 0, detail: detail.into() }
    }

    /// What the user can do about it: a rule for a path that cannot be opened says nothing about the kernel.
    fn hint(&self) -> &'static str {
        match (self.stage, &self.path) {
            (Stage::Landlock, Some(_)) => {
                "what a step may write below must exist in its root: see [install] prefix of the recipe"
            }
            (stage, _) => stage.hint(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "cannot {}", self.stage.name())?;
        if let Some(path) = &self.path {
            write!(f, ": {}", path.display())?;
        }
        if self.errno != 0 {
            write!(f, ": {}", io::Error::from_raw_os_error(self.errno))?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        write!(f, " ({})", self.hint())
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Spec { field, why } => write!(f, "sandbox description: {field}: {why}"),
            Self::Helper { what, source } => write!(
                f,
                "sandbox helper: cannot {what}: {source} (the program must call \
                 minos_sandbox::run_if_helper() first thing in main)"
            ),
            Self::Setup(failure) => write!(f, "sandbox: {failure}"),
            Self::Lost => f.write_str(
                "sandbox: the helper process was killed from outside; the step has ended with it, \
                 run it again",
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Helper { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Attaches the stage, and the path concerned, to a system error.
pub(crate) trait Context<T> {
    /// At this stage.
    fn at(self, stage: Stage) -> Result<T, Failure>;
    /// At this stage, on this path.
    fn on(self, stage: Stage, path: impl AsRef<Path>) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn at(self, stage: Stage) -> Result<T, Failure> {
        self.map_err(|error| {
            let error = error.into();
            let errno = error.raw_os_error().unwrap_or(0);
            let detail = if errno == 0 { error.to_string() } else { String::new() };
            Failure { stage, path: None, errno, detail }
        })
    }

    fn on(self, stage: Stage, path: impl AsRef<Path>) -> Result<T, Failure> {
        self.at(stage)
            .map_err(|failure| Failure { path: Some(path.as_ref().to_owned()), ..failure })
    }
}
