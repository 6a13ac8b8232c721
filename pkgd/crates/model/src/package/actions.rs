//! What a package asks to be done beside its files: data, never a script.

use serde::{Deserialize, Serialize};

use super::account::{Account, AccountName};
use super::path::PackagePath;

/// A group to exist.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupAction {
    /// Its name.
    pub name: AccountName,
    /// Its number, where it must be this one; otherwise a free one below 1000 is taken.
    pub id: Option<u16>,
}

/// A user to exist. It has no password and cannot log in by one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UserAction {
    /// Its name.
    pub name: AccountName,
    /// Its number, where it must be this one; otherwise a free one below 1000 is taken.
    pub id: Option<u16>,
    /// Its group, one of the package's own.
    pub group: AccountName,
    /// Its home directory; without one it is `/nonexistent`.
    pub home: Option<PackagePath>,
    /// For people, at most 255 bytes, no `:` and no control characters.
    pub description: String,
}

/// A directory to exist that is not the package's own: made if missing, never removed with the package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DirectoryAction {
    /// Where.
    pub path: PackagePath,
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub user: Account,
    /// Group.
    pub group: Account,
}

/// A symbolic link to exist where nothing stands yet (an alternative, a default).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkAction {
    /// Where.
    pub path: PackagePath,
    /// The bytes of its target: 1 to 4095, none of them NUL.
    #[serde(with = "super::path::raw")]
    pub target: Vec<u8>,
}

/// A kernel parameter to be set at boot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SysctlAction {
    /// Its key with dots: `net.ipv4.ip_forward`. 1 to 128 of `a-z A-Z 0-9 _ - .`.
    pub key: String,
    /// Its value: 1 to 255 printable ASCII characters or spaces.
    pub value: String,
}

/// A service that the package brings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceAction {
    /// Its name, as a package's name is written.
    pub name: crate::Name,
    /// Whether it is started at boot unless the user says otherwise.
    pub enable: bool,
}

/// All actions of a package. Each list is sorted; no name, path or key twice in one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actions {
    /// Groups, made before users.
    #[serde(deserialize_with = "super::limit::list")]
    pub groups: Vec<GroupAction>,
    /// Users.
    #[serde(deserialize_with = "super::limit::list")]
    pub users: Vec<UserAction>,
    /// Directories.
    #[serde(deserialize_with = "super::limit::list")]
    pub directories: Vec<DirectoryAction>,
    /// Links.
    #[serde(deserialize_with = "super::limit::list")]
    pub links: Vec<LinkAction>,
    /// Kernel parameters.
    #[serde(deserialize_with = "super::limit::list")]
    pub sysctl: Vec<SysctlAction>,
    /// Services.
    #[serde(deserialize_with = "super::limit::list")]
    pub services: Vec<ServiceAction>,
}
