//! What a box is made of: everything the process tree may see, do and use up.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Overlayfs takes at most this many lower layers (`OVL_MAX_STACK`); one is ours (the skeleton).
pub const MAX_LAYERS: usize = 499;

/// One boxed process tree. Paths on the host are absolute; paths in the box are absolute and free of
/// `.` and `..`. Nothing is inherited from the caller: what is not named here does not exist inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// Layers of `/`, the topmost first: existing directories of the host, on any file system that
    /// allows idmapped mounts (ext4, xfs, btrfs, tmpfs, squashfs, erofs, ...). Never written to.
    pub layers: Vec<PathBuf>,
    /// How many of [`Spec::layers`], counted from the lowest, are known to hold no marks of overlayfs (deletions,
    /// opaque directories). What only one of these has is shown without the overlay's detour.
    pub plain: usize,
    /// Takes what is written outside `/build`; `None` makes `/` read-only.
    pub upper: Option<Upper>,
    /// The build directory, always writable.
    pub build: Build,
    /// Further inputs, read-only: sources, scripts.
    pub binds: Vec<Bind>,
    /// Program (absolute path inside the box) and arguments.
    pub argv: Vec<OsString>,
    /// The complete environment.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory inside the box.
    pub cwd: PathBuf,
    /// Directories inside the box that may be written, besides `/build`, `/tmp`, `/run` and `/dev`: by
    /// Landlock, and because all else of `/` is mounted read-only. Useless without [`Spec::upper`]. Made
    /// (empty, in no layer) if no layer has them; no part may be a symbolic link. Each is a mount of its
    /// own, so that files are copied, not moved, from one to another.
    pub writable: Vec<PathBuf>,
    /// The users of the box, as the host sees them.
    pub ids: IdRange,
    /// How much the tree may use.
    pub limits: Limits,
    /// The host name inside, so that no build can record the real one.
    pub hostname: String,
    /// What a program can see of the machine and of what ran before it.
    pub sight: Sight,
    /// What the tree can reach by sockets.
    pub network: Network,
    /// Whether a kernel without the required Landlock is acceptable.
    pub strength: Strength,
    /// Note which files of the layers are opened ([`crate::Exit::opened`]). Needs fanotify; costs the
    /// box an event for each file.
    pub observe: bool,
}

/// `/build`: an overlay of its own, so that each finished phase is a layer of the next one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Build {
    /// What earlier phases left, the latest first (each one an [`Upper::tree`]).
    pub layers: Vec<PathBuf>,
    /// What this phase writes.
    pub upper: Upper,
}

/// Where an overlay puts what is written to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upper {
    /// An existing directory of the host, on a file system with user xattrs and idmapped mounts
    /// (ext4, xfs, btrfs; tmpfs since Linux 6.6). Two directories are made in it: `upper` and `work`.
    /// It should be of mode 0700: files below it belong to their real owners and may be set-user-ID.
    pub dir: PathBuf,
}

impl Upper {
    /// The tree that the step wrote, in overlayfs form: deletions are 0/0 character devices and
    /// `user.overlay.*` attributes mark replaced directories.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.dir.join("upper")
    }

    /// Scratch of overlayfs: to be removed with the box, never to be used again.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }
}

/// A file or directory of the host shown read-only in the box.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bind {
    /// Path on the host.
    pub source: PathBuf,
    /// Path in the box; made if no layer has it. No part of it may be a symbolic link.
    pub target: PathBuf,
}

/// User and group ids of the box: 0 to `count` - 1 inside are `first` and up outside.
/// Give each concurrent box a range of its own; 65,536 ids are what images expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// The host's id of root in the box; never 0.
    pub first: u32,
    /// How many ids the box has.
    pub count: u32,
}

/// Ceilings. `None` and 0 both mean: no limit of ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Limits {
    /// Processes and threads in the tree (cgroup pids; where there is none, of each user of the box, by
    /// RLIMIT_NPROC).
    pub processes: Option<u32>,
    /// Memory of the whole tree, bytes (cgroup; tmpfs contents count). Nothing where no cgroup is.
    pub memory_bytes: Option<u64>,
    /// Largest file, bytes (RLIMIT_FSIZE).
    pub file_bytes: Option<u64>,
    /// Descriptors of one process (RLIMIT_NOFILE, soft and hard).
    pub open_files: u64,
    /// Size of `/tmp`, bytes; `/run` and `/dev/shm` get the same.
    pub tmp_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            processes: Some(4096),
            memory_bytes: None,
            file_bytes: None,
            open_files: 4096,
            tmp_bytes: 1 << 30,
        }
    }
}

/// What a program can see of the machine and of what ran before it. Not a fence: a program may take back the CPUs.
/// A build that is tried for reproducibility is shown something else the second time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Process numbers used up before the program gets its own. By processes that end at once, 0.1 ms each: the
    /// kernel's counter can only be set where it was built with `CONFIG_CHECKPOINT_RESTORE`.
    pub used_pids: u32,
    /// CPUs that the tree may run on, `None` for all.
    pub cpus: Option<u32>,
}

/// What the tree can reach by sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// An empty network namespace, and Landlock refuses TCP altogether. For every build phase.
    None,
    /// An empty network namespace whose loopback works: test suites that talk to themselves.
    Loopback,
    /// The host's network. Never for a build.
    Host,
}

/// How much the kernel must provide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strength {
    /// Landlock ABI 6 or later is required.
    Full,
    /// Whatever Landlock the kernel has, even none. Namespaces and ids are required all the same.
    Weak,
}

/// Directories of the box that are mounts of our own: no bind may go on or above them.
const OWN: [&str; 6] = ["/build", "/tmp", "/run", "/dev", "/proc", "/sys"];

impl Spec {
    /// Refuses a box that could not be built or would not be one.
    ///
    /// # Errors
    /// [`Error::Spec`] names the field.
    pub fn validate(&self) -> Result<(), Error> {
        self.check_layers()?;
        self.check_command()?;
        for path in &self.writable {
            inside("writable", path)?;
        }
        for bind in &self.binds {
            on_host("binds.source", &bind.source)?;
            self.check_target(&bind.target)?;
        }
        let IdRange { first, count } = self.ids;
        if first == 0 || count == 0 || first.checked_add(count).is_none() {
            return bad("ids", "must not hold id 0 of the host, and not be empty".to_owned());
        }
        Ok(())
    }

    fn check_layers(&self) -> Result<(), Error> {
        if self.layers.is_empty() {
            return bad("layers", "a root needs at least one layer".to_owned());
        }
        for (field, layers) in [("layers", &self.layers), ("build.layers", &self.build.layers)] {
            if layers.len() > MAX_LAYERS {
                return bad(field, format!("{} are more than {MAX_LAYERS}", layers.len()));
            }
            layers.iter().try_for_each(|layer| directory(field, layer))?;
        }
        if let Some(upper) = &self.upper {
            directory("upper", &upper.dir)?;
        }
        directory("build.upper", &self.build.upper.dir)
    }

    fn check_command(&self) -> Result<(), Error> {
        match self.argv.first() {
            Some(program) => inside("argv[0]", Path::new(program))?,
            None => return bad("argv", "empty".to_owned()),
        }
        inside("cwd", &self.cwd)?;
        if self.hostname.is_empty() || self.hostname.len() > 64 {
            return bad("hostname", "must have 1 to 64 bytes".to_owned());
        }
        Ok(())
    }

    fn check_target(&self, target: &Path) -> Result<(), Error> {
        inside("binds.target", target)?;
        let taken = |other: &Path| other.starts_with(target);
        if target == Path::new("/") || OWN.iter().any(|own| taken(Path::new(own))) {
            return bad("binds.target", format!("{} would hide a mount", target.display()));
        }
        if ["/dev", "/proc", "/sys"].iter().any(|own| target.starts_with(own)) {
            return bad("binds.target", format!("{} is the kernel's", target.display()));
        }
        let nested = |b: &&Bind| b.target.starts_with(target) || target.starts_with(&b.target);
        if self.binds.iter().filter(nested).count() > 1 {
            return bad("binds.target", format!("{} overlaps another bind", target.display()));
        }
        Ok(())
    }
}

fn bad<T>(field: &'static str, why: String) -> Result<T, Error> {
    Err(Error::Spec { field, why })
}

/// A path of the box: absolute, no `.`, no `..`, UTF-8 (it crosses to the helper as text).
fn inside(field: &'static str, path: &Path) -> Result<(), Error> {
    let plain = |c| matches!(c, Component::RootDir | Component::Normal(_));
    if path.is_absolute() && path.to_str().is_some() && path.components().all(plain) {
        return Ok(());
    }
    bad(field, format!("{}: not an absolute path without `..`", path.display()))
}

fn on_host(field: &'static str, path: &Path) -> Result<(), Error> {
    if path.is_absolute() && path.to_str().is_some() {
        return Ok(());
    }
    bad(field, format!("{}: not an absolute UTF-8 path", path.display()))
}

fn directory(field: &'static str, path: &Path) -> Result<(), Error> {
    on_host(field, path)?;
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => bad(field, format!("{}: not a directory", path.display())),
        Err(e) => bad(field, format!("{}: {e}", path.display())),
    }
}
