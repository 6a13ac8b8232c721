//! Findings about recipes: what is wrong, where, and what to do.

use core::fmt;

use serde::{Deserialize, Serialize};

pub(crate) mod graph;
pub(crate) mod package;
pub(crate) mod script;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth a look; the recipe is used.
    Warning,
    /// The recipe is not to be built like this.
    Error,
}

/// What a finding is about. The text form is stable; scripts name it in `# lint: allow RULE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The TOML does not parse, or has an unknown or missing key.
    Parse,
    /// A value out of its range or form.
    BadValue,
    /// Something left to be filled in: `**EDITME`, `<...>`, TODO, FIXME, XXX.
    Placeholder,
    /// A script that the recipe names does not exist.
    MissingScript,
    /// A file that `files` names does not exist.
    MissingFile,
    /// A file beside `recipe.toml` that nothing names.
    UnusedFile,
    /// A script or a recipe that is not UTF-8, has CR LF or a byte order mark; a script with a NUL byte or without the
    /// final newline.
    TextForm,
    /// `set +e`, or `|| true` where something is installed: a failure would pass for success.
    IgnoredFailure,
    /// `>> /etc/...`: belongs to whoever composes the system, and does not repeat.
    AppendEtc,
    /// A command that needs the network, which no phase has.
    Network,
    /// A command that the sandbox refuses: `sudo`, `mount`, `chroot`, `mknod`, ...
    Privileged,
    /// `/build/...` or `/sources/...` written out.
    BuildPath,
    /// `make -jN`: takes no part in the job server that says how many jobs may run.
    OwnJobs,
    /// A source that `sources.lock` does not have.
    SourceNotLocked,
    /// An entry of `sources.lock` that no recipe uses.
    UnusedSource,
    /// A dependency that no recipe provides.
    UnknownDependency,
    /// A step that depends on itself.
    SelfDependency,
    /// The same dependency twice.
    DuplicateDependency,
    /// Steps that depend on each other in a circle.
    Cycle,
    /// Two recipes for one step.
    DuplicateStep,
    /// No licence.
    MissingLicense,
    /// A licence by a name that is not known here.
    UnknownLicense,
    /// `[install] prefix` outside what the stage may write.
    PrefixOutsideStage,
    /// `[env]` sets what the daemon fixes.
    FixedEnv,
    /// The folder does not say stage and step.
    Folder,
}

impl Rule {
    /// Every rule, for documentation and tests.
    pub const ALL: [Self; 25] = [
        Self::Parse,
        Self::BadValue,
        Self::Placeholder,
        Self::MissingScript,
        Self::MissingFile,
        Self::UnusedFile,
        Self::TextForm,
        Self::IgnoredFailure,
        Self::AppendEtc,
        Self::Network,
        Self::Privileged,
        Self::BuildPath,
        Self::OwnJobs,
        Self::SourceNotLocked,
        Self::UnusedSource,
        Self::UnknownDependency,
        Self::SelfDependency,
        Self::DuplicateDependency,
        Self::Cycle,
        Self::DuplicateStep,
        Self::MissingLicense,
        Self::UnknownLicense,
        Self::PrefixOutsideStage,
        Self::FixedEnv,
        Self::Folder,
    ];

    /// The name used in messages and in `# lint: allow`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::BadValue => "bad-value",
            Self::Placeholder => "placeholder",
            Self::MissingScript => "missing-script",
            Self::MissingFile => "missing-file",
            Self::UnusedFile => "unused-file",
            Self::TextForm => "text-form",
            Self::IgnoredFailure => "ignored-failure",
            Self::AppendEtc => "append-etc",
            Self::Network => "network",
            Self::Privileged => "privileged",
            Self::BuildPath => "build-path",
            Self::OwnJobs => "own-jobs",
            Self::SourceNotLocked => "source-not-locked",
            Self::UnusedSource => "unused-source",
            Self::UnknownDependency => "unknown-dependency",
            Self::SelfDependency => "self-dependency",
            Self::DuplicateDependency => "duplicate-dependency",
            Self::Cycle => "cycle",
            Self::DuplicateStep => "duplicate-step",
            Self::MissingLicense => "missing-license",
            Self::UnknownLicense => "unknown-license",
            Self::PrefixOutsideStage => "prefix-outside-stage",
            Self::FixedEnv => "fixed-env",
            Self::Folder => "folder",
        }
    }

    /// How bad it is.
    pub const fn level(self) -> Level {
        match self {
            Self::UnusedFile
            | Self::AppendEtc
            | Self::BuildPath
            | Self::OwnJobs
            | Self::UnusedSource
            | Self::DuplicateDependency
            | Self::UnknownLicense
            | Self::Folder => Level::Warning,
            _ => Level::Error,
        }
    }
}

/// One finding. Ordered by file, line and rule, so that a list of them is always the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lint {
    /// The file, below the recipes' folder.
    pub file: String,
    /// The line, from 1; `None` when it is about the whole file.
    pub line: Option<u32>,
    /// What it is about.
    pub rule: Rule,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Lint {
    pub(crate) fn new(
        rule: Rule,
        file: &str,
        line: Option<u32>,
        message: String,
        hint: &str,
    ) -> Self {
        Self { file: file.to_owned(), line, rule, message, hint: hint.to_owned() }
    }

    /// How bad it is.
    pub const fn level(&self) -> Level {
        self.rule.level()
    }

    /// It keeps the recipe from being built.
    pub fn is_error(&self) -> bool {
        self.level() == Level::Error
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        let level = if self.is_error() { "error" } else { "warning" };
        write!(f, ": {level}: {} [{}]; {}", self.message, self.rule.as_str(), self.hint)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Rule;

    #[test]
    fn rule_names_are_unique() {
        let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
    }
}
