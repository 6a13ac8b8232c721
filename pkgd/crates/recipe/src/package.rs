//! The `[package]` table: what the package made of a step's output says beside what is found in its files.
//!
//! None of it can change what is built, so none of it is in the task key: it is read when the output is packed.

use std::collections::BTreeMap;

use minos_model::package::{
    Account, AccountName, Actions, DirectoryAction, GroupAction, LinkAction, OptionalGroup,
    PackagePath, ServiceAction, SysctlAction, UserAction,
};
use minos_model::{Capability, Dependency, DependencyKind, Name, Requirement};
use serde::{Deserialize, Serialize};

/// What a package says beside what is found in its files. All lists are sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name, where it is not that of the step.
    pub name: Option<Name>,
    /// What it needs besides.
    pub dependencies: Vec<Dependency>,
    /// Optional groups of dependencies.
    pub groups: Vec<OptionalGroup>,
    /// What it provides besides.
    pub provides: Vec<Capability>,
    /// What cannot be installed beside it.
    pub conflicts: Vec<Requirement>,
    /// What it takes the place of.
    pub replaces: Vec<Requirement>,
    /// Files that users edit.
    pub config: Vec<PackagePath>,
    /// Requirements that are found but not meant.
    pub ignore: Vec<Requirement>,
    /// Users and groups that own files of the output, by the number they have there.
    pub owners: BTreeMap<u16, AccountName>,
    /// What is to be done beside the files.
    pub actions: Actions,
}

impl Package {
    /// Reads a table with the keys of `[package]`.
    ///
    /// # Errors
    /// A key that is not known, or a value that cannot be meant, in words.
    pub fn from_table(table: toml::Table) -> Result<Self, String> {
        table.try_into::<DraftPackage>().map_err(|e| e.to_string())?.package()
    }
}

/// The table as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DraftPackage {
    name: Option<Name>,
    depends: Vec<Need>,
    provides: Vec<Capability>,
    conflicts: Vec<Requirement>,
    replaces: Vec<Requirement>,
    config: Vec<Place>,
    ignore: Vec<Requirement>,
    owners: BTreeMap<String, AccountName>,
    optional: BTreeMap<Name, DraftOptional>,
    group: Vec<DraftGroup>,
    user: Vec<DraftUser>,
    directory: Vec<DraftDirectory>,
    link: Vec<DraftLink>,
    service: Vec<DraftService>,
    sysctl: BTreeMap<String, String>,
}

/// `REQUIREMENT`, or `REQUIREMENT if REQUIREMENT`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Need {
    requirement: Requirement,
    condition: Option<Requirement>,
}

impl TryFrom<String> for Need {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parse = |text: &str| text.trim().parse::<Requirement>().map_err(|e| e.to_string());
        let (requirement, condition) =
            text.split_once(" if ").map_or((&*text, None), |(a, b)| (a, Some(b)));
        Ok(Self { requirement: parse(requirement)?, condition: condition.map(parse).transpose()? })
    }
}

/// An absolute path of the installed system.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Place(PackagePath);

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let inside = text.strip_prefix('/').ok_or_else(|| {
            format!("'{}' is not an absolute path: write it from /", text.escape_debug())
        })?;
        PackagePath::new(inside.as_bytes().to_vec()).map(Self).map_err(|e| e.to_string())
    }
}

/// A number or a name.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Owner {
    Id(u16),
    Name(AccountName),
}

impl Default for Owner {
    fn default() -> Self {
        Self::Id(0)
    }
}

impl From<Owner> for Account {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::Id(id) => Self::Id(id),
            Owner::Name(name) => Self::Name(name),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftOptional {
    reason: String,
    depends: Vec<Need>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftGroup {
    name: AccountName,
    #[serde(default)]
    id: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftUser {
    name: AccountName,
    #[serde(default)]
    id: Option<u16>,
    group: AccountName,
    #[serde(default)]
    home: Option<Place>,
    #[serde(default)]
    description: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftDirectory {
    path: Place,
    #[serde(default = "usual_mode")]
    mode: u16,
    #[serde(default)]
    user: Owner,
    #[serde(default)]
    group: Owner,
}

fn usual_mode() -> u16 {
    0o755
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftLink {
    path: Place,
    target: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftService {
    name: Name,
    #[serde(default)]
    enable: bool,
}

impl DraftPackage {
    /// The table in canonical order.
    ///
    /// # Errors
    /// A number of an owner that is none.
    pub fn package(self) -> Result<Package, String> {
        let mut dependencies = needs(DependencyKind::Runtime, self.depends);
        let mut groups = Vec::new();
        for (name, optional) in self.optional {
            dependencies.extend(needs(DependencyKind::Group(name.clone()), optional.depends));
            groups.push(OptionalGroup { name, reason: optional.reason });
        }
        let mut owners = BTreeMap::new();
        for (number, name) in self.owners {
            let bad =
                |_| format!("owners: '{}' is not a number up to 65535", number.escape_debug());
            owners.insert(number.parse().map_err(bad)?, name);
        }
        let actions = Actions {
            groups: sorted(self.group.into_iter().map(|g| GroupAction { name: g.name, id: g.id })),
            users: sorted(self.user.into_iter().map(user)),
            directories: sorted(self.directory.into_iter().map(directory)),
            links: sorted(
                self.link
                    .into_iter()
                    .map(|link| LinkAction { path: link.path.0, target: link.target.into_bytes() }),
            ),
            sysctl: sorted(self.sysctl.into_iter().map(|(key, value)| SysctlAction { key, value })),
            services: sorted(
                self.service.into_iter().map(|s| ServiceAction { name: s.name, enable: s.enable }),
            ),
        };
        Ok(Package {
            name: self.name,
            dependencies: sorted(dependencies),
            groups: sorted(groups),
            provides: sorted(self.provides),
            conflicts: sorted(self.conflicts),
            replaces: sorted(self.replaces),
            config: sorted(self.config.into_iter().map(|place| place.0)),
            ignore: sorted(self.ignore),
            owners,
            actions,
        })
    }
}

fn needs(kind: DependencyKind, list: Vec<Need>) -> Vec<Dependency> {
    let one = |need: Need| Dependency {
        kind: kind.clone(),
        requirement: need.requirement,
        condition: need.condition,
    };
    list.into_iter().map(one).collect()
}

fn user(draft: DraftUser) -> UserAction {
    let DraftUser { name, id, group, home, description } = draft;
    UserAction { name, id, group, home: home.map(|place| place.0), description }
}

fn directory(draft: DraftDirectory) -> DirectoryAction {
    let DraftDirectory { path, mode, user, group } = draft;
    DirectoryAction { path: path.0, mode, user: user.into(), group: group.into() }
}

fn sorted<T: Ord>(list: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut list: Vec<T> = list.into_iter().collect();
    list.sort();
    list.dedup();
    list
}
