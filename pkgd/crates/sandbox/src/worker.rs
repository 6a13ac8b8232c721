//! A process that shuts itself in before it looks at what came from outside.
//!
//! Unlike a box, this needs no root: it is for tools that run with the rights of whoever calls them.

use std::path::Path;

use caps::{CapSet, Capability, CapsHashSet};
use landlock::{Access as _, AccessNet, BitFlags};
use landlock::{
    AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope,
};
use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};

use crate::confine::{REQUIRED, keep_capabilities};
use crate::error::{Context as _, Failure, Stage};
use crate::filter::{install_for_fetcher, install_for_worker};
use crate::sys::process::close_from;

/// What a worker keeps.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reach<'a> {
    /// Folders and files it may read.
    pub read: &'a [&'a Path],
    /// Folders it may make, change and remove files in.
    pub write: &'a [&'a Path],
    /// Files below `read` may belong to others and be closed to all but them, if the caller is root.
    pub any_owner: bool,
    /// It may connect to other machines by TCP.
    pub network: bool,
}

/// Takes everything else from the calling thread, and from all it starts, for good: capabilities, new privileges,
/// executing, TCP, signals and abstract sockets to others, every file that is not within `reach`. What is open
/// already stays open. Landlock holds what the kernel knows of it; a kernel without it takes the rest all the same.
///
/// # Errors
/// A folder of `reach` cannot be opened, or the kernel refuses a step.
pub fn shut_in(reach: &Reach<'_>) -> Result<(), Failure> {
    set_no_new_privs().at(Stage::Privileges)?;
    landlock(reach)?;
    drop_capabilities(reach.any_owner)
}

/// The user and group of a sealed worker: nobody's, and of no build slot. It lies just below the ids of boxes.
pub const SEALED_ID: u32 = 0x4bff_fffe;

/// The most descriptors of a sealed worker: the standard ones, and the files it is given.
const OPEN_FILES: u64 = 16;

/// What names of machines are looked up in.
const NAMES: [&str; 4] = ["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf"];

/// Takes from this process, for good, all but its open descriptors 0 to 2, `memory` bytes of address space and the few
/// system calls that work with these: another user if this is root, no capability, no path at all, no new process. For
/// a worker that gets files by descriptor over a socket. To be called first thing in a process that has just been
/// started: it closes every other descriptor.
///
/// # Errors
/// A step that the kernel refuses. Landlock is a second fence here, so a kernel without it is none.
pub fn seal(memory: u64) -> Result<(), Failure> {
    sealed(memory, &Reach::default())?;
    install_for_worker().at(Stage::Filter)
}

/// The same for a worker that fetches: it may connect to others by TCP, ask for their names by UDP, and read the few
/// files that say how names are looked up.
///
/// # Errors
/// A step that the kernel refuses.
pub fn seal_but_for_network(memory: u64) -> Result<(), Failure> {
    let names: Vec<&Path> = NAMES.iter().map(Path::new).filter(|path| path.exists()).collect();
    sealed(memory, &Reach { read: &names, network: true, ..Reach::default() })?;
    install_for_fetcher().at(Stage::Filter)
}

fn sealed(memory: u64, reach: &Reach<'_>) -> Result<(), Failure> {
    close_from(3).at(Stage::Privileges)?;
    let table = [
        (Resource::RLIMIT_AS, memory),
        (Resource::RLIMIT_NOFILE, OPEN_FILES),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_NPROC, 0),
        (Resource::RLIMIT_CORE, 0),
    ];
    for (resource, value) in table {
        setrlimit(resource, value, value).at(Stage::Limits)?;
    }
    if geteuid().is_root() {
        become_nobody()?;
    }
    set_dumpable(false).at(Stage::Privileges)?;
    shut_in(reach)
}

fn become_nobody() -> Result<(), Failure> {
    let (user, group) = (Uid::from_raw(SEALED_ID), Gid::from_raw(SEALED_ID));
    setgroups(&[]).at(Stage::Privileges)?;
    setresgid(group, group, group).at(Stage::Privileges)?;
    // The last one is needed once more, and goes with the user.
    caps::drop(None, CapSet::Bounding, Capability::CAP_SETUID).map_err(capabilities)?;
    keep_capabilities(&[Capability::CAP_SETUID])?;
    setresuid(user, user, user).at(Stage::Privileges)
}

fn landlock(reach: &Reach<'_>) -> Result<(), Failure> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(REQUIRED))
        .and_then(|rules| rules.handle_access(withheld(reach.network)))
        .and_then(|rules| rules.scope(Scope::from_all(REQUIRED)))
        .and_then(Ruleset::create)
        .map_err(refused)?;
    let special = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::Execute;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::from_all(REQUIRED) & !special;
    let read = reach.read.iter().map(|path| (path, read));
    for (path, access) in read.chain(reach.write.iter().map(|path| (path, write))) {
        let place = PathFd::new(path).map_err(|error| Failure {
            path: Some(path.to_path_buf()),
            ..Failure::new(Stage::Landlock, error.to_string())
        })?;
        rules = rules.add_rule(PathBeneath::new(place, access)).map_err(refused)?;
    }
    rules.restrict_self().map(drop).map_err(refused)
}

/// What it may not do with TCP.
fn withheld(network: bool) -> BitFlags<AccessNet> {
    let all = AccessNet::from_all(REQUIRED);
    if network { all & !AccessNet::ConnectTcp } else { all }
}

/// The bounding set stays: an ordinary user may not touch it, and nothing can be executed any more.
fn drop_capabilities(any_owner: bool) -> Result<(), Failure> {
    let had = caps::read(None, CapSet::Permitted).map_err(capabilities)?;
    let reading = Capability::CAP_DAC_READ_SEARCH;
    let keep: CapsHashSet = had.into_iter().filter(|c| any_owner && *c == reading).collect();
    caps::clear(None, CapSet::Ambient).map_err(capabilities)?;
    caps::clear(None, CapSet::Inheritable).map_err(capabilities)?;
    caps::set(None, CapSet::Effective, &keep).map_err(capabilities)?;
    caps::set(None, CapSet::Permitted, &keep).map_err(capabilities)
}

fn capabilities(error: caps::errors::CapsError) -> Failure {
    Failure::new(Stage::Privileges, format!("capabilities: {error}"))
}

fn refused(error: RulesetError) -> Failure {
    Failure::new(Stage::Landlock, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read as _;
    use std::path::Path;
    use std::process::Command;

    use caps::CapSet;

    use super::{Reach, shut_in};

    /// Runs `act` on a thread that is shut in: what Landlock takes, it takes from one thread.
    fn shut<T: Send>(reach: &Reach<'_>, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                shut_in(reach).unwrap();
                act()
            });
            inside.join().unwrap()
        })
    }

    #[test]
    fn only_what_is_within_reach_can_be_touched() {
        let (read, write) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (given, made) = (read.path().join("given"), write.path().join("made"));
        fs::write(&given, "given").unwrap();
        let mut open = File::open("/etc/passwd").unwrap();
        let reach = Reach {
            read: &[read.path()],
            write: &[write.path()],
            any_owner: false,
            network: false,
        };
        shut(&reach, || {
            assert_eq!(fs::read_to_string(&given).unwrap(), "given");
            fs::write(&made, "made").unwrap();
            fs::rename(&made, write.path().join("renamed")).unwrap();
            fs::write(&given, "changed").unwrap_err();
            File::open("/etc/passwd").unwrap_err();
            fs::read_dir("/").unwrap_err();
            // What was open stays so.
            assert!(open.read(&mut [0]).unwrap() > 0);
        });
        assert_eq!(fs::read_to_string(write.path().join("renamed")).unwrap(), "made");
        assert_eq!(fs::read_to_string(&given).unwrap(), "given");
    }

    #[test]
    fn nothing_can_be_executed_and_no_capability_is_left() {
        shut(&Reach { read: &[Path::new("/")], ..Reach::default() }, || {
            assert!(Command::new("/bin/true").status().is_err());
            for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
                assert!(caps::read(None, set).unwrap().is_empty(), "{set:?}");
            }
        });
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = shut_in(&Reach { read: &[Path::new("/nonexistent")], ..Reach::default() });
        assert!(error.unwrap_err().to_string().contains("/nonexistent"));
    }
}
