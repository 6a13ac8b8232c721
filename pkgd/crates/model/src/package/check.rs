//! The rules of a package, in one place.

use core::fmt;

use super::limit::{MAX_FILES, MAX_LIST, MAX_XATTRS};
use super::{
    Account, Actions, DependencyKind, FileKind, PackageFields, PackageFile, PackagePath, Xattr,
};
use crate::escape::escape;

/// The most bytes of the value of an extended attribute.
const MAX_XATTR_VALUE: usize = 4096;

/// Why fields do not make a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageError {
    /// The part: a field, or a path.
    at: String,
    why: &'static str,
}

impl PackageError {
    fn new(at: impl Into<String>, why: &'static str) -> Self {
        Self { at: at.into(), why }
    }
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid package: {}: {}", self.at, self.why)
    }
}

impl std::error::Error for PackageError {}

/// All rules.
pub(super) fn check(p: &PackageFields) -> Result<(), PackageError> {
    line("description", &p.description)?;
    licence(&p.licence)?;
    sorted("dependencies", &p.dependencies, |d| d)?;
    sorted("groups", &p.groups, |g| &g.name)?;
    sorted("provides", &p.provides, |c| &c.id)?;
    sorted("conflicts", &p.conflicts, |r| r)?;
    sorted("replaces", &p.replaces, |r| r)?;
    sorted("config", &p.config, |c| c)?;
    groups(p)?;
    actions(&p.actions)?;
    files(p)?;
    let is_file = |path: &&PackagePath| {
        find(&p.files, path.as_bytes()).is_some_and(|f| f.content().is_some())
    };
    match p.config.iter().find(|path| !is_file(path)) {
        Some(path) => Err(PackageError::new(
            path.to_string(),
            "a config file is a regular file of the package",
        )),
        None => Ok(()),
    }
}

/// Strictly ascending by `key`, and not too long.
fn sorted<'a, T, K: Ord>(
    field: &'static str,
    list: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> Result<(), PackageError> {
    if list.len() > MAX_LIST {
        return Err(PackageError::new(field, "it has more than 65536 entries"));
    }
    if list.windows(2).all(|pair| matches!(pair, [a, b] if key(a) < key(b))) {
        return Ok(());
    }
    Err(PackageError::new(field, "it is not sorted, or an entry stands twice"))
}

/// One line for people.
fn line(field: &'static str, text: &str) -> Result<(), PackageError> {
    let fits = (1..=255).contains(&text.len()) && text.chars().all(is_plain);
    if fits {
        Ok(())
    } else {
        Err(PackageError::new(field, "it must be one line of 1 to 255 bytes"))
    }
}

/// Characters of one line that shows as it reads: no control characters, no separators of lines, none that turn
/// the direction of the text around them (`Bidi_Control` of Unicode), with which a text can show as another one.
fn is_plain(c: char) -> bool {
    let turns = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !c.is_control() && !turns && !matches!(c, '\u{2028}' | '\u{2029}')
}

fn licence(text: &str) -> Result<(), PackageError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b" .-+():".contains(&b);
    if (1..=255).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(());
    }
    Err(PackageError::new("licence", "it must be an SPDX expression of 1 to 255 bytes"))
}

fn groups(p: &PackageFields) -> Result<(), PackageError> {
    p.groups.iter().try_for_each(|group| line("groups", &group.reason))?;
    let declared = |name| p.groups.binary_search_by(|g| g.name.cmp(name)).is_ok();
    let missing =
        p.dependencies.iter().find(|d| matches!(&d.kind, DependencyKind::Group(g) if !declared(g)));
    match missing {
        Some(d) => {
            Err(PackageError::new(d.requirement.to_string(), "its optional group is not declared"))
        }
        None => Ok(()),
    }
}

fn actions(a: &Actions) -> Result<(), PackageError> {
    sorted("actions.groups", &a.groups, |g| &g.name)?;
    sorted("actions.users", &a.users, |u| &u.name)?;
    sorted("actions.directories", &a.directories, |d| &d.path)?;
    sorted("actions.links", &a.links, |l| &l.path)?;
    sorted("actions.sysctl", &a.sysctl, |s| &s.key)?;
    sorted("actions.services", &a.services, |s| &s.name)?;
    for user in &a.users {
        // Both become fields of a line of /etc/passwd.
        let plain = |c: char| is_plain(c) && c != ':';
        let home = user.home.as_ref().is_none_or(|home| !home.as_bytes().contains(&b':'));
        if user.description.len() > 255 || !user.description.chars().all(plain) || !home {
            return Err(PackageError::new(
                "actions.users",
                "a description has at most 255 bytes, and neither it nor a home a ':'",
            ));
        }
        if !a.groups.iter().any(|g| g.name == user.group) {
            return Err(PackageError::new(
                user.name.as_str(),
                "its group is not among the package's groups",
            ));
        }
    }
    for directory in &a.directories {
        mode(&directory.path, directory.mode)?;
        accounts(a, &directory.path, &directory.user, &directory.group)?;
    }
    a.links.iter().try_for_each(|link| target(&link.path, &link.target))?;
    sysctl(a)
}

fn sysctl(a: &Actions) -> Result<(), PackageError> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    // No slashes and no empty parts: a key becomes a path below /proc/sys.
    let part = |part: &str| !part.is_empty() && part.bytes().all(letter);
    let value = |b: u8| b.is_ascii_graphic() || b == b' ';
    let good = |s: &super::SysctlAction| {
        let key = s.key.len() <= 128 && s.key.split('.').all(part);
        key && (1..=255).contains(&s.value.len()) && s.value.bytes().all(value)
    };
    if a.sysctl.iter().all(good) {
        return Ok(());
    }
    Err(PackageError::new(
        "actions.sysctl",
        "a key or value has a character that is not allowed, or is too long",
    ))
}

fn mode(path: &PackagePath, mode: u16) -> Result<(), PackageError> {
    if mode <= 0o7777 {
        Ok(())
    } else {
        Err(PackageError::new(path.to_string(), "its mode is above 7777"))
    }
}

fn target(path: &PackagePath, target: &[u8]) -> Result<(), PackageError> {
    if (1..=super::MAX_PATH).contains(&target.len()) && !target.contains(&0) {
        return Ok(());
    }
    Err(PackageError::new(
        path.to_string(),
        "the target of a link has 1 to 4095 bytes, none of them NUL",
    ))
}

/// Names stand among the package's own users and groups.
fn accounts(
    a: &Actions,
    path: &PackagePath,
    user: &Account,
    group: &Account,
) -> Result<(), PackageError> {
    let user = match user {
        Account::Id(_) => true,
        Account::Name(name) => a.users.binary_search_by(|u| u.name.cmp(name)).is_ok(),
    };
    let group = match group {
        Account::Id(_) => true,
        Account::Name(name) => a.groups.binary_search_by(|g| g.name.cmp(name)).is_ok(),
    };
    if user && group {
        return Ok(());
    }
    Err(PackageError::new(
        path.to_string(),
        "its owner is not among the package's users and groups",
    ))
}

/// The file at `path` in a sorted list.
pub(super) fn find<'a>(files: &'a [PackageFile], path: &[u8]) -> Option<&'a PackageFile> {
    let index = files.binary_search_by(|f| f.path.as_bytes().cmp(path)).ok()?;
    files.get(index)
}

fn files(p: &PackageFields) -> Result<(), PackageError> {
    if p.files.len() > MAX_FILES {
        return Err(PackageError::new("files", "there are more than 1048576"));
    }
    let mut total = 0_u64;
    // The directory found last: most files stand beside the one before.
    let mut folder: &[u8] = b"";
    for (index, file) in p.files.iter().enumerate() {
        let before = p.files.get(..index).unwrap_or_default();
        if before.last().is_some_and(|last| last.path >= file.path) {
            return Err(PackageError::new(
                file.path.to_string(),
                "paths are not sorted, or one stands twice",
            ));
        }
        if let Some(parent) = file.path.parent()
            && parent != folder
        {
            if find(before, parent).is_none_or(|f| f.kind != FileKind::Directory) {
                return Err(PackageError::new(
                    file.path.to_string(),
                    "the directory it stands in is not listed",
                ));
            }
            folder = parent;
        }
        one_file(p, before, file)?;
        let size = file.content().map_or(0, |(size, _)| size);
        total = total
            .checked_add(size)
            .filter(|total| *total <= i64::MAX.unsigned_abs())
            .ok_or_else(|| PackageError::new("files", "their sizes add up to more than 2^63"))?;
    }
    Ok(())
}

fn one_file(
    p: &PackageFields,
    before: &[PackageFile],
    file: &PackageFile,
) -> Result<(), PackageError> {
    let error = |why| PackageError::new(file.path.to_string(), why);
    mode(&file.path, file.mode)?;
    accounts(&p.actions, &file.path, &file.user, &file.group)?;
    xattrs(&file.path, &file.xattrs)?;
    let bare = file.mode == 0 && file.xattrs.is_empty();
    match &file.kind {
        FileKind::Directory | FileKind::Regular { .. } => Ok(()),
        FileKind::Symlink { target: to } if bare => target(&file.path, to),
        FileKind::Symlink { .. } => {
            Err(error("a symbolic link has mode 0 and no extended attributes"))
        }
        FileKind::Hardlink { to } => {
            let owner = file.user == Account::ROOT && file.group == Account::ROOT;
            if !bare || !owner {
                return Err(error(
                    "a hard link has mode, owner and attributes of its file, and none of its own",
                ));
            }
            match find(before, to.as_bytes()).and_then(PackageFile::content) {
                Some(_) => Ok(()),
                None => Err(error("a hard link must name a regular file that stands before it")),
            }
        }
    }
}

fn xattrs(path: &PackagePath, list: &[Xattr]) -> Result<(), PackageError> {
    let error = |why| PackageError::new(path.to_string(), why);
    if list.len() > MAX_XATTRS || list.iter().any(|x| x.value.len() > MAX_XATTR_VALUE) {
        return Err(error("too many or too long extended attributes"));
    }
    if !list.windows(2).all(|pair| matches!(pair, [a, b] if a.name < b.name)) {
        return Err(error("extended attributes are not sorted, or one stands twice"));
    }
    let user = |name: &str| name.len() > 5 && name.starts_with("user.");
    let allowed = |name: &str| name == "security.capability" || user(name);
    let printable = |name: &str| name.len() <= 255 && name.bytes().all(|b| b.is_ascii_graphic());
    let named =
        |x: &Xattr, why| PackageError::new(format!("{path}: {}", escape(x.name.as_bytes())), why);
    if let Some(x) = list.iter().find(|x| !allowed(&x.name) || !printable(&x.name)) {
        return Err(named(x, "only security.capability and user.* are allowed"));
    }
    match list.iter().find(|x| x.name == "security.capability" && !is_capability(&x.value)) {
        Some(x) => {
            Err(named(x, "it is not capabilities of a file in revision 2, which hold everywhere"))
        }
        None => Ok(()),
    }
}

/// Whether the bytes are a `struct vfs_cap_data` of revision 2 (`linux/capability.h`): revision and the effective
/// flag, then two pairs of 32 bits. The kernel refuses other bytes while the file is written; those of revision 3
/// hold only in the user namespace whose root they name.
fn is_capability(value: &[u8]) -> bool {
    matches!(value, [0 | 1, 0, 0, 2, sets @ ..] if sets.len() == 16)
}
