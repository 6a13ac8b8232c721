//! `recipe.toml` as written, before scripts are read and sources looked up.

use core::str::FromStr;
use std::collections::BTreeMap;

use minos_model::{Name, NameError, Phase, Stage, StepId, Triplet};
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::error::{self, ParseError};
use crate::package::DraftPackage;
use crate::recipe::Role;

/// The file, key by key. Spans are kept where a later check has to name the line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    #[expect(dead_code, reason = "checked by error::parse before")]
    schema: u32,
    pub name: Name,
    #[serde(default)]
    pub pass: Option<Name>,
    pub version: Spanned<String>,
    #[serde(default)]
    pub release: Option<Spanned<u32>>,
    pub stage: Spanned<Stage>,
    pub order: u32,
    pub description: String,
    #[serde(default)]
    pub license: Option<Spanned<String>>,
    #[serde(default)]
    pub files: Vec<Spanned<String>>,
    #[serde(default, rename = "source")]
    pub sources: Vec<DraftSource>,
    #[serde(default)]
    pub deps: Deps,
    pub phases: BTreeMap<PhaseKey, Spanned<String>>,
    #[serde(default)]
    pub env: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub needs: DraftNeeds,
    #[serde(default)]
    pub limits: DraftLimits,
    #[serde(default)]
    pub install: DraftInstall,
    #[serde(default)]
    pub check: Check,
    #[serde(default)]
    pub group: Group,
    #[serde(default)]
    pub package: DraftPackage,
    #[serde(default, rename = "target")]
    pub targets: BTreeMap<Spanned<Triplet>, DraftTarget>,
}

/// The phases a recipe may give a script for; the assertion has its own place, `[check] assert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PhaseKey {
    Unpack,
    Prepare,
    Configure,
    Build,
    Check,
    Install,
}

impl From<PhaseKey> for Phase {
    fn from(key: PhaseKey) -> Self {
        match key {
            PhaseKey::Unpack => Self::Unpack,
            PhaseKey::Prepare => Self::Prepare,
            PhaseKey::Configure => Self::Configure,
            PhaseKey::Build => Self::Build,
            PhaseKey::Check => Self::Check,
            PhaseKey::Install => Self::Install,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftSource {
    pub file: Spanned<String>,
    #[serde(default)]
    pub role: Role,
    #[serde(default = "one_component")]
    pub strip: u8,
    #[serde(default)]
    pub into: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deps {
    #[serde(default)]
    pub build: Vec<Spanned<Dep>>,
    #[serde(default)]
    pub check: Vec<Spanned<StepId>>,
}

/// An entry of `[deps] build`: a step, or `@name` for all steps of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dep {
    Step(StepId),
    Group(Name),
}

impl FromStr for Dep {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Ok(match text.strip_prefix('@') {
            Some(group) => Self::Group(group.parse()?),
            None => Self::Step(text.parse()?),
        })
    }
}

impl<'de> Deserialize<'de> for Dep {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftNeeds {
    #[serde(default)]
    pub sbu: Option<Spanned<f64>>,
    #[serde(default)]
    pub disk_mb: u32,
    #[serde(default)]
    pub ram_mb: u32,
    #[serde(default)]
    pub jobs_max: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftLimits {
    #[serde(default)]
    pub silence_s: Option<Spanned<u32>>,
    #[serde(default)]
    pub wall_s: Option<Spanned<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftInstall {
    #[serde(default)]
    pub prefix: Option<Spanned<String>>,
    #[serde(default)]
    pub setuid: Vec<Spanned<String>>,
    #[serde(default)]
    pub xattrs: Vec<Spanned<String>>,
}

/// `[target.TRIPLET]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftTarget {
    #[serde(default)]
    pub phases: BTreeMap<PhaseKey, Spanned<String>>,
    #[serde(default)]
    pub append: BTreeMap<PhaseKey, Spanned<String>>,
    #[serde(default)]
    pub assert: Option<Spanned<String>>,
    #[serde(default)]
    pub env: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    #[serde(default)]
    pub assert: Option<Spanned<String>>,
    #[serde(default = "yes")]
    pub fatal: bool,
    #[serde(default)]
    pub level: SuiteLevel,
    #[serde(default)]
    pub resume: bool,
    #[serde(default)]
    pub expected: Option<Spanned<String>>,
}

/// At which level the test suite is run, besides `all`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SuiteLevel {
    /// At no other.
    #[default]
    All,
    /// At `critical` too.
    Critical,
}

impl Default for Check {
    fn default() -> Self {
        Self { assert: None, fatal: true, level: SuiteLevel::All, resume: false, expected: None }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    #[serde(default)]
    pub names: Vec<Name>,
}

fn one_component() -> u8 {
    1
}

fn yes() -> bool {
    true
}

impl Draft {
    /// Parses the text of a `recipe.toml`; `file` is its name in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, ParseError> {
        error::parse(file, text)
    }

    /// The step it describes.
    pub fn id(&self) -> StepId {
        StepId::new(self.name.clone(), self.pass.clone())
    }
}
