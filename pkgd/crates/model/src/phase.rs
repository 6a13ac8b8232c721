//! Phases of a step and stages of the book.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a step does, in this order. Each phase that a recipe has runs as one sandboxed process, and
/// a finished phase is a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The sources are unpacked into the build tree.
    Unpack,
    /// The unpacked tree is patched and put in order.
    Prepare,
    /// The build is configured.
    Configure,
    /// The package is compiled.
    Build,
    /// Its own test suite runs.
    Check,
    /// It is installed; the only phase that may write outside the build tree.
    Install,
    /// The recipe's assertions look at the output in a root that has it.
    Assert,
}

/// What a heading in a log starts with, before the name of the phase.
const HEADING: &str = "pkgd: phase ";

impl Phase {
    /// All phases in the order in which they run.
    pub const ALL: [Self; 7] = [
        Self::Unpack,
        Self::Prepare,
        Self::Configure,
        Self::Build,
        Self::Check,
        Self::Install,
        Self::Assert,
    ];

    /// The name used in recipes, logs and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unpack => "unpack",
            Self::Prepare => "prepare",
            Self::Configure => "configure",
            Self::Build => "build",
            Self::Check => "check",
            Self::Install => "install",
            Self::Assert => "assert",
        }
    }

    /// The line, without its end, that comes before what the phase printed in the log of an attempt.
    pub fn heading(self) -> String {
        format!("{HEADING}{self}")
    }

    /// The phase that a line of a log is the heading of.
    pub fn headed_by(line: &[u8]) -> Option<Self> {
        let name = line.strip_prefix(HEADING.as_bytes())?;
        Self::ALL.into_iter().find(|phase| phase.as_str().as_bytes() == name)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Phase {
    type Err = PhaseError;

    fn from_str(text: &str) -> Result<Self, PhaseError> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text).ok_or(PhaseError)
    }
}

/// A text that names no phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseError;

impl fmt::Display for PhaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Phase::ALL.map(Phase::as_str);
        write!(f, "is no phase; there are {}", names.join(", "))
    }
}

impl std::error::Error for PhaseError {}

/// A part of the build whose steps share a kind of root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// LFS chapter 5: the cross toolchain, built with the seed's tools into `/lfs`.
    Cross,
    /// LFS chapter 6: temporary tools, cross-compiled into `/lfs`.
    Temporary,
    /// LFS chapter 7: further temporary tools, built inside the new root.
    Chroot,
    /// LFS chapter 8: the final system.
    System,
    /// LFS chapters 9 and 10: configuration, kernel, boot.
    Boot,
    /// Small packages built against the seed, for trials and quick runs.
    Demo,
}

impl Stage {
    /// All stages, as the book goes through them.
    pub const ALL: [Self; 6] =
        [Self::Cross, Self::Temporary, Self::Chroot, Self::System, Self::Boot, Self::Demo];

    /// The name used in recipes and folders.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cross => "cross",
            Self::Temporary => "temporary",
            Self::Chroot => "chroot",
            Self::System => "system",
            Self::Boot => "boot",
            Self::Demo => "demo",
        }
    }

    /// Whether the root of its steps stands on the seed, the host tools that build the first own tools. From
    /// the chapter of the chroot on there is nothing in a root but outputs, those of stages before it shown
    /// with their prefix as `/`.
    pub const fn seeded(self) -> bool {
        match self {
            Self::Cross | Self::Temporary | Self::Demo => true,
            Self::Chroot | Self::System | Self::Boot => false,
        }
    }

    /// The folder of an output of stage `input` that is `/` to the steps of this one: where there is no seed, what
    /// was installed below a prefix has come to its place.
    pub const fn root_of(self, input: Self) -> &'static str {
        if self.seeded() { "/" } else { input.prefix() }
    }

    /// Where the steps of this stage may install: the only place outside the build tree that the
    /// sandbox lets them write.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Cross | Self::Temporary => "/lfs",
            Self::Chroot | Self::System | Self::Boot | Self::Demo => "/",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
