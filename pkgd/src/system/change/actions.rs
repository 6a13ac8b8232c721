//! What packages ask for beside their files: accounts, directories, links, kernel parameters, services.
//!
//! It is data, and pkgd itself does it, on the root that is put together and before it is anybody's: no program of
//! a package runs for it. What is made becomes part of the generation; accounts are added to `/etc/passwd` and
//! `/etc/group`, which follow the machine. Nothing is taken away with a package but its own two lists.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use minos_model::package::{Account, DirectoryAction, LinkAction};
use minos_model::{Digest, Name, PackageManifest};
use minos_store::fs::Attributes;
use minos_store::{Accounts, Installed, Made, MadeNode, Plan, Staged, SystemError, Triggers};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use crate::system::boot;

/// The longest account file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// A package that comes.
pub struct Coming {
    /// What it says.
    pub manifest: PackageManifest,
    /// The numbers of its accounts.
    pub accounts: Accounts,
}

/// Carries actions out, then the triggers.
pub struct Actions<T> {
    /// The state root.
    pub state_root: PathBuf,
    /// Packages that come or change.
    pub coming: Vec<Coming>,
    /// Packages that go.
    pub going: Vec<Name>,
    /// Packages that stay and have users or groups: whoever lost these gets them back.
    pub staying: Vec<Coming>,
    /// What follows.
    pub then: T,
}

impl<T: Triggers> Triggers for Actions<T> {
    fn run(&mut self, staged: &Staged<'_>) -> Result<Vec<Made>, String> {
        let path = self.state_root.join(staged.root);
        let on_root = |e: io::Error| format!("{}: {e}", path.display());
        let mut work =
            Work { root: open(&path).map_err(on_root)?, made: Vec::new(), new: BTreeSet::new() };
        for coming in &self.coming {
            let done = work.package(coming);
            done.map_err(|e| format!("actions of {}: {e}", coming.manifest.name))?;
        }
        for staying in &self.staying {
            let done = work.accounts(staying);
            done.map_err(|e| format!("users and groups of {}: {e}", staying.manifest.name))?;
        }
        for name in &self.going {
            work.lists(name, &[], &[]).map_err(|e| format!("actions of {name}: {e}"))?;
        }
        let mut made = work.made;
        made.extend(self.then.run(staged)?);
        Ok(made)
    }

    fn complete(&mut self, staged: &Staged<'_>) -> Result<Vec<Made>, String> {
        boot::complete(&self.state_root.join(staged.root))
    }
}

fn open(root: &Path) -> io::Result<OwnedFd> {
    let directory = File::options().read(true).open(root)?;
    Ok(directory.into())
}

/// The root that is put together, and what is made in it.
struct Work {
    root: OwnedFd,
    made: Vec<Made>,
    /// Paths of directories made here.
    new: BTreeSet<Vec<u8>>,
}

impl Work {
    fn package(&mut self, coming: &Coming) -> io::Result<()> {
        self.accounts(coming)?;
        let (actions, accounts) = (&coming.manifest.actions, &coming.accounts);
        for directory in &actions.directories {
            self.directory(directory, accounts)?;
        }
        for link in &actions.links {
            self.link(link)?;
        }
        let sysctl = actions.sysctl.iter().map(|s| format!("{} = {}\n", s.key, s.value));
        let word = |enable| if enable { "enabled" } else { "disabled" };
        let services = actions.services.iter().map(|s| format!("{} {}\n", s.name, word(s.enable)));
        self.lists(
            &coming.manifest.name,
            &sysctl.collect::<Vec<_>>(),
            &services.collect::<Vec<_>>(),
        )
    }

    /// Lines for the users and groups of a package that have none.
    fn accounts(&mut self, coming: &Coming) -> io::Result<()> {
        let (actions, accounts) = (&coming.manifest.actions, &coming.accounts);
        let groups = accounts.groups.iter().map(|(name, id)| (name, format!("{name}:x:{id}:\n")));
        self.add_lines("etc/group", groups.collect())?;
        let mut users = Vec::new();
        for (user, (name, id)) in actions.users.iter().zip(&accounts.users) {
            let group = number(&accounts.groups, &user.group.to_string());
            let home =
                user.home.as_ref().map_or("/nonexistent".to_owned(), |home| format!("/{home}"));
            let about = &user.description;
            users.push((name, format!("{name}:x:{id}:{group}:{about}:{home}:/usr/sbin/nologin\n")));
        }
        self.add_lines("etc/passwd", users)
    }

    /// Adds lines whose first field no line has yet.
    fn add_lines(&mut self, path: &str, lines: Vec<(&String, String)>) -> io::Result<()> {
        // Several packages of one change write the same file: the latest text is the one to add to.
        let at = self.made.iter().rposition(|made| made.path == path.as_bytes());
        let before = match at.and_then(|at| self.made.get(at)) {
            Some(Made { node: MadeNode::File { content, .. }, .. }) => content.clone(),
            _ => self.read(path)?,
        };
        let mut text = String::from_utf8_lossy(&before).into_owned();
        let has = |text: &str, name: &str| text.lines().any(|l| l.split(':').next() == Some(name));
        for (name, line) in lines {
            if !has(&text, name) {
                text.push_str(&line);
            }
        }
        if text.as_bytes() == before {
            return Ok(());
        }
        self.parents(path.as_bytes())?;
        if let Some(at) = at {
            self.made.remove(at);
        }
        self.file(path, text);
        Ok(())
    }

    fn file(&mut self, path: &str, text: String) {
        let node =
            MadeNode::File { attributes: Attributes::root(0o644), content: text.into_bytes() };
        self.made.push(Made { path: path.as_bytes().to_vec(), node });
    }

    fn directory(&mut self, action: &DirectoryAction, accounts: &Accounts) -> io::Result<()> {
        let path = action.path.as_bytes();
        if self.stands(path)? {
            return Ok(());
        }
        self.parents(path)?;
        let id = |account: &Account, list| match account {
            Account::Id(id) => u32::from(*id),
            Account::Name(name) => number(list, &name.to_string()),
        };
        let mut attributes = Attributes::root(action.mode);
        attributes.uid = id(&action.user, &accounts.users);
        attributes.gid = id(&action.group, &accounts.groups);
        self.new.insert(path.to_vec());
        self.made.push(Made { path: path.to_vec(), node: MadeNode::Directory(attributes) });
        Ok(())
    }

    fn link(&mut self, action: &LinkAction) -> io::Result<()> {
        let path = action.path.as_bytes();
        if self.stands(path)? {
            return Ok(());
        }
        self.parents(path)?;
        let node = MadeNode::Symlink { target: action.target.clone() };
        self.made.push(Made { path: path.to_vec(), node });
        Ok(())
    }

    /// The two files that say what a package asks of the kernel and of init; gone where it asks nothing.
    fn lists(&mut self, package: &Name, sysctl: &[String], services: &[String]) -> io::Result<()> {
        let sysctl = (format!("etc/sysctl.d/50-{package}.conf"), sysctl.concat());
        let services = (format!("etc/minos/services.d/{package}"), services.concat());
        for (path, text) in [sysctl, services] {
            if !text.is_empty() {
                self.parents(path.as_bytes())?;
                self.file(&path, text);
            } else if self.stands(path.as_bytes())? {
                self.made.push(Made { path: path.into_bytes(), node: MadeNode::Removed });
            }
        }
        Ok(())
    }

    /// The folders above a path that are missing.
    fn parents(&mut self, path: &[u8]) -> io::Result<()> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends.collect::<Vec<_>>() {
            let folder = path.get(..end).unwrap_or_default();
            if !self.stands(folder)? {
                let node = MadeNode::Directory(Attributes::root(0o755));
                self.new.insert(folder.to_vec());
                self.made.push(Made { path: folder.to_vec(), node });
            }
        }
        Ok(())
    }

    /// Whether anything stands at a path. A link above it is followed by nobody, so something does.
    fn stands(&self, path: &[u8]) -> io::Result<bool> {
        if self.new.contains(path) {
            return Ok(true);
        }
        match self.open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW) {
            Ok(_) | Err(Errno::ELOOP | Errno::ENOTDIR) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.open(path.as_bytes(), OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK) {
            Ok(file) => {
                let mut bytes = Vec::new();
                File::from(file).take(LONGEST).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
            Err(Errno::ENOENT) => Ok(Vec::new()),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens a path of the root; no part of it may be a link.
    fn open(&self, path: &[u8], flags: OFlag) -> nix::Result<OwnedFd> {
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
        openat2(self.root.as_fd(), path, how)
    }
}

fn number(list: &[(String, u32)], name: &str) -> u32 {
    list.iter().find(|(n, _)| n == name).map_or(0, |(_, number)| *number)
}

/// Which packages of a plan come, with what they say, and which go.
///
/// # Errors
/// A manifest cannot be read.
pub fn of_plan(
    plan: &Plan,
    manifest: impl Fn(&Digest) -> io::Result<PackageManifest>,
) -> Result<(Vec<Coming>, Vec<Name>), SystemError> {
    let coming = plan.install.iter().map(|install| {
        let digest = install.manifest;
        let manifest =
            manifest(&digest).map_err(|e| SystemError::of_source(digest, "its manifest", &e))?;
        Ok(Coming { manifest, accounts: install.accounts.clone() })
    });
    Ok((coming.collect::<Result<_, SystemError>>()?, plan.remove.clone()))
}

/// The packages with users or groups that a plan leaves as they are. One whose manifest cannot be read holds nothing up:
/// 'pkgctl verify' tells.
pub fn that_stay(
    installed: &[Installed],
    plan: &Plan,
    manifest: impl Fn(&Digest) -> Result<PackageManifest, SystemError>,
) -> Vec<Coming> {
    let stays = |i: &&Installed| !plan.changes.iter().any(|c| c.name == i.package.name);
    let asks = |i: &&Installed| i.package.accounts != Accounts::default();
    let those = installed.iter().filter(stays).filter(asks);
    let coming = |i: &Installed| {
        let accounts = i.package.accounts.clone();
        Some(Coming { manifest: manifest(&i.package.digest).ok()?, accounts })
    };
    those.filter_map(coming).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use minos_model::package::{Actions as Asks, GroupAction, Origin, UserAction};
    use minos_model::{PackageFields, PackageManifest};
    use minos_store::NoTriggers;

    use super::*;

    fn dbus() -> Coming {
        let digest = Digest::of(b"");
        let user = UserAction {
            name: "dbus".parse().unwrap(),
            id: None,
            group: "dbus".parse().unwrap(),
            home: None,
            description: "messages".to_owned(),
        };
        let groups = vec![GroupAction { name: "dbus".parse().unwrap(), id: None }];
        let manifest = PackageManifest::new(PackageFields {
            description: "a package to test with".to_owned(),
            licence: "MIT".to_owned(),
            actions: Asks { groups, users: vec![user], ..Asks::default() },
            ..PackageFields::bare(
                "dbus".parse().unwrap(),
                "1-1".parse().unwrap(),
                "x86_64".parse().unwrap(),
                Origin { recipe: "dbus".parse().unwrap(), task_key: digest, output: digest },
            )
        });
        let one = || vec![("dbus".to_owned(), 998)];
        let accounts = Accounts { users: one(), groups: one() };
        Coming { manifest: manifest.unwrap(), accounts }
    }

    /// Only packages that came with a change had theirs written: what was lost with a root stayed lost as long as its
    /// package did not change, and its service could not start.
    #[test]
    fn users_of_a_package_that_stays_are_there_again() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir_all(state.path().join("roots/2/etc")).unwrap();
        fs::write(state.path().join("roots/2/etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
        let (coming, going, staying) = (vec![], vec![], vec![dbus()]);
        let state_root = state.path().to_owned();
        let mut actions = Actions { state_root, coming, going, staying, then: NoTriggers };
        let staged = Staged { root: Path::new("roots/2"), changed: &[] };
        let made: Vec<(String, String)> = actions
            .run(&staged)
            .unwrap()
            .into_iter()
            .filter_map(|made| match made.node {
                MadeNode::File { content, .. } => {
                    let text = |bytes| String::from_utf8(bytes).unwrap();
                    Some((text(made.path), text(content)))
                }
                _ => None,
            })
            .collect();
        let passwd = "root:x:0:0::/root:/bin/sh\n\
                      dbus:x:998:998:messages:/nonexistent:/usr/sbin/nologin\n";
        let expected = [("etc/group", "dbus:x:998:\n"), ("etc/passwd", passwd)];
        assert_eq!(made, expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
    }
}
