//! What a process of the box may do: Landlock, capabilities, resource limits.

use crate::error::{Context, Failure, Stage};
use crate::spec::{Limits, Network, Spec, Strength};
use caps::{CapSet, Capability};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::path::Path;

/// The Landlock ABI a full box needs: the first with scopes for signals and abstract sockets.
pub const REQUIRED: ABI = ABI::V6;

/// The capabilities of a build, over the user namespace of its box only. They are what `install`, `tar`
/// and `su` in LFS scripts need: to set owners and modes, to pass over permissions of files of the box,
/// to become another user of the box. None reaches beyond the ids of the box. Not among them: MKNOD (no
/// user namespace can make devices, and fifos need none), SETFCAP (file capabilities are declared in
/// recipes), SYS_ADMIN, SYS_CHROOT, SYS_PTRACE, NET_* and all others.
pub const PROGRAM: &[Capability] = &[
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_KILL,
    Capability::CAP_SETGID,
    Capability::CAP_SETUID,
];

/// The first process only has to kill what has become another user.
pub const FIRST_PROCESS: &[Capability] = &[Capability::CAP_KILL];

/// Where every box may write, besides what its specification says.
const WRITABLE: [&str; 4] = ["/build", "/tmp", "/run", "/dev"];

/// Drops all capabilities but `keep`, from the bounding set too. Root of the box cannot get them back.
pub fn keep_capabilities(keep: &[Capability]) -> Result<(), Failure> {
    let failed = |error: caps::errors::CapsError| {
        Failure::new(Stage::Privileges, format!("capabilities: {error}"))
    };
    for capability in caps::runtime::thread_all_supported() {
        if !keep.contains(&capability) {
            caps::drop(None, CapSet::Bounding, capability).map_err(failed)?;
        }
    }
    let keep = keep.iter().copied().collect();
    caps::clear(None, CapSet::Ambient).map_err(failed)?;
    caps::clear(None, CapSet::Inheritable).map_err(failed)?;
    caps::set(None, CapSet::Effective, &keep).map_err(failed)?;
    caps::set(None, CapSet::Permitted, &keep).map_err(failed)
}

/// Sets the resource limits. A hard limit that is lower already stays.
pub fn limit(limits: &Limits) -> Result<(), Failure> {
    let unlimited = nix::libc::RLIM_INFINITY;
    let positive = |value: Option<u64>| value.filter(|v| *v > 0).unwrap_or(unlimited);
    let table = [
        (Resource::RLIMIT_NPROC, positive(limits.processes.map(u64::from))),
        (Resource::RLIMIT_FSIZE, positive(limits.file_bytes)),
        (Resource::RLIMIT_NOFILE, limits.open_files),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
    ];
    for (resource, wanted) in table {
        let (_, hard) = getrlimit(resource).at(Stage::Limits)?;
        let value = wanted.min(hard);
        setrlimit(resource, value, value).at(Stage::Limits)?;
    }
    Ok(())
}

/// Applies Landlock to this process for good: reading and executing everywhere in the box, since
/// all there is was declared; writing only where the specification says; no TCP; no signals and no
/// abstract sockets to outside. Needs no_new_privs. Must be last: it forbids mounting.
pub fn landlock(spec: &Spec) -> Result<(), Failure> {
    let ruleset = ruleset(spec.network, spec.strength).map_err(refused)?;
    let read = AccessFs::from_read(ABI::V1);
    // Device nodes come from the layers or not at all.
    let write = AccessFs::from_all(REQUIRED) & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let mut ruleset = allow(ruleset, Path::new("/"), read)?;
    for path in WRITABLE.iter().map(Path::new).chain(spec.writable.iter().map(AsRef::as_ref)) {
        ruleset = allow(ruleset, path, write)?;
    }
    ruleset.restrict_self().map(drop).map_err(refused)
}

/// A rule set that handles every right of [`REQUIRED`], and asks for the kernel's log of denials where
/// there is one.
pub fn ruleset(network: Network, strength: Strength) -> Result<RulesetCreated, RulesetError> {
    let level = match strength {
        Strength::Full => CompatLevel::HardRequirement,
        Strength::Weak => CompatLevel::BestEffort,
    };
    let mut ruleset = Ruleset::default()
        .set_compatibility(level)
        .handle_access(AccessFs::from_all(REQUIRED))?
        .scope(Scope::from_all(REQUIRED))?;
    if network == Network::None {
        ruleset = ruleset.handle_access(AccessNet::from_all(REQUIRED))?;
    }
    ruleset.create()?.set_compatibility(CompatLevel::BestEffort).log_new_exec(true)
}

fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, Failure> {
    let failed = |error: String| Failure {
        path: Some(path.to_owned()),
        ..Failure::new(Stage::Landlock, error)
    };
    let fd = PathFd::new(path).map_err(|error| failed(error.to_string()))?;
    ruleset.add_rule(PathBeneath::new(fd, access)).map_err(|error| failed(error.to_string()))
}

fn refused(error: RulesetError) -> Failure {
    Failure::new(Stage::Landlock, error.to_string())
}
