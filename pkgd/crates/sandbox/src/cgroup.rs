//! One cgroup per box, where the kernel has controllers to offer: version 2 with `memory`, else the
//! version 1 hierarchies `memory` and `pids`, else none.

use crate::claim::{self, Claim};
use crate::meter::Meter;
use crate::spec::Limits;
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Which controllers hold the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The unified hierarchy with the memory controller.
    V2,
    /// The `memory` and/or `pids` hierarchies of version 1.
    V1,
    /// Nothing: memory is unlimited, processes only by RLIMIT_NPROC.
    None,
}

/// Where cgroups can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The parent directory in the unified hierarchy.
    V2(PathBuf),
    /// Parent directories in the version 1 hierarchies that are there: memory, pids.
    V1 {
        /// Of the memory controller.
        memory: Option<PathBuf>,
        /// Of the pids controller.
        pids: Option<PathBuf>,
    },
    /// No controller to be had.
    None,
}

/// What a cgroup knew when its last process had gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Processes the kernel killed for want of memory.
    pub oom_kills: u64,
    /// Processes and threads that were not made because the limit was reached.
    pub fork_failures: u64,
    /// Highest memory use, bytes.
    pub memory_peak: Option<u64>,
    /// Bytes read from and written to block devices.
    pub io: Option<(u64, u64)>,
}

/// Name of the directory that holds our cgroups in the unified hierarchy.
const PARENT: &str = "minos";
/// Prefix of one box's cgroup; the helper's process id follows, and a number that makes it unique. Not the
/// `minos-` of before there were locks: a pkgd of that time on the same host takes all of those for dead.
const PREFIX: &str = "minos.box-";

impl Place {
    /// Finds the mounted hierarchies of the calling process.
    pub fn find() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        if let Some(root) = mounted(&mounts, "cgroup2", None)
            && read(&root.join("cgroup.controllers")).split_whitespace().any(|c| c == "memory")
        {
            return Self::V2(root.join(PARENT));
        }
        let v1 = |controller| {
            let root = mounted(&mounts, "cgroup", Some(controller))?;
            let own = root.join(own_path(&own, controller)?.trim_start_matches('/'));
            Some(if own.is_dir() { own } else { root })
        };
        match (v1("memory"), v1("pids")) {
            (None, None) => Self::None,
            (memory, pids) => Self::V1 { memory, pids },
        }
    }

    /// Which kind that is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::V2(_) => Kind::V2,
            Self::V1 { .. } => Kind::V1,
            Self::None => Kind::None,
        }
    }

    fn parents(&self) -> Vec<&Path> {
        match self {
            Self::V2(parent) => vec![parent],
            Self::V1 { memory, pids } => memory.iter().chain(pids).map(PathBuf::as_path).collect(),
            Self::None => Vec::new(),
        }
    }

    /// Removes the cgroups of boxes whose helper was killed; those of boxes that live stay, also of boxes of
    /// another pkgd in another pid namespace.
    pub fn sweep(&self) {
        for parent in self.parents() {
            claim::sweep(parent, PREFIX, remove);
        }
    }
}

/// Removes a cgroup, unless there are processes in it.
fn remove(_: &Path, path: &Path) -> io::Result<()> {
    fs::remove_dir(path)
}

/// The mount point of the first mount of `fstype` whose superblock options name `option`.
fn mounted(mountinfo: &str, fstype: &str, option: Option<&str>) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let matches = right.next() == Some(fstype)
            && option.is_none_or(|o| right.nth(1).is_some_and(|s| s.split(',').any(|x| x == o)));
        let whole = left.split(' ').nth(3) == Some("/");
        (matches && whole).then(|| left.split(' ').nth(4).map(PathBuf::from)).flatten()
    })
}

/// The caller's cgroup in the version 1 hierarchy of `controller`.
fn own_path<'a>(cgroup: &'a str, controller: &str) -> Option<&'a str> {
    cgroup.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let here = parts.next()?.split(',').any(|c| c == controller);
        here.then(|| parts.next()).flatten()
    })
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn number(path: &Path) -> Option<u64> {
    read(path).trim().parse().ok()
}

/// The value of `key` in a flat-keyed file such as `memory.events`.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The cgroup of one box; removed by [`Cgroup::finish`].
pub struct Cgroup {
    kind: Kind,
    memory: Option<Claim>,
    pids: Option<Claim>,
}

impl Cgroup {
    /// Makes the cgroup of the helper `pid` and sets its limits.
    pub fn create(place: &Place, pid: u32, limits: &Limits) -> io::Result<Self> {
        let make = |parent: &Path| Claim::take(parent, PREFIX, pid, remove);
        let mut group = Self { kind: place.kind(), memory: None, pids: None };
        let made = match place {
            Place::V2(parent) => enable(parent).and_then(|()| make(parent)).map(|dir| {
                group.memory = Some(dir);
            }),
            Place::V1 { memory, pids } => (|| {
                group.memory = memory.as_deref().map(make).transpose()?;
                group.pids = pids.as_deref().map(make).transpose()?;
                Ok(())
            })(),
            Place::None => Ok(()),
        };
        match made.and_then(|()| group.limit(limits)) {
            Ok(()) => Ok(group),
            Err(e) => {
                group.remove();
                Err(e)
            }
        }
    }

    fn limit(&self, limits: &Limits) -> io::Result<()> {
        let set = |dir: Option<&Claim>, file: &str, value: u64| match dir {
            Some(dir) => fs::write(dir.file(file), value.to_string()),
            None => Ok(()),
        };
        let memory = self.memory.as_ref();
        if let Some(bytes) = limits.memory_bytes.filter(|bytes| *bytes > 0) {
            match self.kind {
                Kind::V2 => {
                    set(memory, "memory.max", bytes)?;
                    optional(set(memory, "memory.swap.max", 0))?;
                }
                _ => {
                    set(memory, "memory.limit_in_bytes", bytes)?;
                    optional(set(memory, "memory.memsw.limit_in_bytes", bytes))?;
                }
            }
        }
        if let Some(count) = limits.processes.filter(|count| *count > 0) {
            set(self.pids(), "pids.max", count.into())?;
        }
        Ok(())
    }

    /// The directory of the pids controller.
    fn pids(&self) -> Option<&Claim> {
        if self.kind == Kind::V2 { self.memory.as_ref() } else { self.pids.as_ref() }
    }

    /// Whether the number of processes is bounded here.
    pub fn bounds_processes(&self) -> bool {
        self.pids().is_some()
    }

    /// Where the usage of the box, whose first process is `first`, can be read.
    pub fn meter(&self, first: Pid) -> Meter {
        let v2 = self.kind == Kind::V2;
        let bytes = if v2 { "memory.current" } else { "memory.usage_in_bytes" };
        Meter {
            first: first.as_raw(),
            cpu: self.memory.as_ref().filter(|_| v2).map(|dir| dir.file("cpu.stat")),
            memory: self.memory.as_ref().map(|dir| dir.file(bytes)),
            processes: self.pids().map(|dir| dir.file("pids.current")),
        }
    }

    /// The directory a process can be cloned into (version 2 only).
    pub fn clone_target(&self) -> io::Result<Option<File>> {
        match (self.kind, &self.memory) {
            (Kind::V2, Some(dir)) => dir.handle().map(Some),
            _ => Ok(None),
        }
    }

    /// Moves a process in; needed for version 1 only, where it may wait for an RCU grace period.
    pub fn adopt(&self, pid: Pid) -> io::Result<()> {
        if self.kind == Kind::V1 {
            for dir in self.memory.iter().chain(&self.pids) {
                fs::write(dir.file("cgroup.procs"), pid.to_string())?;
            }
        }
        Ok(())
    }

    /// Reads the totals and removes the cgroup. To be called when the tree is dead.
    pub fn finish(self) -> Totals {
        let totals = self.totals();
        self.remove();
        totals
    }

    fn totals(&self) -> Totals {
        let events = self.pids().map(|dir| read(&dir.file("pids.events"))).unwrap_or_default();
        let fork_failures = keyed(&events, "max").unwrap_or(0);
        let Some(dir) = &self.memory else { return Totals { fork_failures, ..Totals::default() } };
        if self.kind == Kind::V2 {
            return Totals {
                fork_failures,
                oom_kills: keyed(&read(&dir.file("memory.events")), "oom_kill").unwrap_or(0),
                memory_peak: number(&dir.file("memory.peak")),
                io: io_stat(&read(&dir.file("io.stat"))),
            };
        }
        Totals {
            fork_failures,
            oom_kills: keyed(&read(&dir.file("memory.oom_control")), "oom_kill").unwrap_or(0),
            memory_peak: number(&dir.file("memory.max_usage_in_bytes")),
            io: None,
        }
    }

    fn remove(&self) {
        for dir in self.memory.iter().chain(&self.pids) {
            // What cannot go now is swept by the next start of pkgd.
            let _ = fs::remove_dir(dir.path());
        }
    }
}

/// A missing file means a kernel without that feature (swap accounting).
fn optional(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes our parent cgroup and lets it hand out the controllers.
fn enable(parent: &Path) -> io::Result<()> {
    if read(&parent.join("cgroup.subtree_control")).split_whitespace().any(|c| c == "memory") {
        return Ok(());
    }
    if let Err(e) = fs::create_dir(parent)
        && e.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(e);
    }
    for dir in parent.parent().into_iter().chain([parent]) {
        fs::write(dir.join("cgroup.subtree_control"), "+memory +pids")?;
        // Only for the statistics; without it `Exit::io` stays empty.
        let _ = fs::write(dir.join("cgroup.subtree_control"), "+io");
    }
    Ok(())
}

/// Sums `rbytes=` and `wbytes=` over all devices of `io.stat`.
fn io_stat(text: &str) -> Option<(u64, u64)> {
    let sum = |key: &str| {
        let words = text.split_whitespace().filter_map(|word| word.strip_prefix(key));
        words.filter_map(|v| v.parse::<u64>().ok()).sum()
    };
    (!text.is_empty()).then(|| (sum("rbytes="), sum("wbytes=")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 24 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
31 24 0:27 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
32 24 0:28 /inner /elsewhere rw,relatime - cgroup2 cgroup rw
33 24 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup rw
";

    #[test]
    fn mounts_are_found_by_type_and_controller_and_only_whole_ones() {
        assert_eq!(mounted(HYBRID, "cgroup", Some("pids")), Some("/sys/fs/cgroup/pids".into()));
        assert_eq!(mounted(HYBRID, "cgroup2", None), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mounted(HYBRID, "cgroup", Some("cpu")), None);
    }

    #[test]
    fn own_cgroup_is_read_per_controller() {
        let text = "8:cpu,cpuacct:/a\n4:memory:/b:c\n0::/\n";
        assert_eq!(own_path(text, "cpuacct"), Some("/a"));
        assert_eq!(own_path(text, "memory"), Some("/b:c"));
        assert_eq!(own_path(text, "pids"), None);
    }

    #[test]
    fn statistics_are_parsed() {
        assert_eq!(keyed("oom 3\noom_kill 2\n", "oom_kill"), Some(2));
        let io = "8:0 rbytes=10 wbytes=2 rios=1\n8:16 rbytes=5 wbytes=1\n";
        assert_eq!(io_stat(io), Some((15, 3)));
        assert_eq!(io_stat(""), None);
    }
}
