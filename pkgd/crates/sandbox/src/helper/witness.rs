//! Notes which files of its root a box opens, by fanotify(7): marks on the mounts of the box, set from outside
//! before its program starts. A file is told once; after that its inode is marked as of no interest, so that a
//! compiler that opens a header a thousand times costs one event.

use super::root::POINTS;
use crate::error::{Context, Failure, Stage};
use crate::spec::Spec;
use nix::fcntl::AT_FDCWD;
use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// More distinct files than this are not noted; the newest glibc, gcc and Python together have 20,000.
const MOST: usize = 200_000;
/// What is noted of one box.
pub struct Witness {
    group: Fanotify,
    opened: BTreeSet<String>,
    /// Keeps the mounts where they are when the box is dead: a file of one that has come off has its name from there
    /// on alone, `/busybox` for `/bin/busybox`.
    _mounts: File,
}

impl Witness {
    /// Marks the mounts of the process `first`, which has assembled the root of `spec`.
    pub fn new(spec: &Spec, first: Pid) -> Result<Self, Failure> {
        let flags = InitFlags::FAN_CLASS_NOTIF
            | InitFlags::FAN_CLOEXEC
            | InitFlags::FAN_NONBLOCK
            | InitFlags::FAN_UNLIMITED_QUEUE
            | InitFlags::FAN_UNLIMITED_MARKS;
        // O_LARGEFILE is implied on 64-bit machines; the descriptors are only asked for their names.
        let group = Fanotify::init(flags, EventFFlags::O_RDONLY | EventFFlags::O_CLOEXEC)
            .map_err(|e| Failure::new(Stage::Witness, format!("fanotify: {e}")))?;
        let proc = PathBuf::from(format!("/proc/{first}"));
        let namespace = proc.join("ns/mnt");
        let mounts = File::open(&namespace).on(Stage::Witness, &namespace)?;
        let table = proc.join("mountinfo");
        let table = fs::read_to_string(&table).on(Stage::Witness, &table)?;
        let points = table.lines().filter_map(|line| line.split(' ').nth(4));
        for point in points.filter(|point| shows_layers(spec, Path::new(point))) {
            let path = proc.join("root").join(point.trim_start_matches('/'));
            let marked = group.mark(
                MarkFlags::FAN_MARK_ADD | MarkFlags::FAN_MARK_MOUNT,
                events(),
                AT_FDCWD,
                Some(&path),
            );
            marked.on(Stage::Witness, &path)?;
        }
        Ok(Self { group, opened: BTreeSet::new(), _mounts: mounts })
    }

    /// Takes what has been told so far. An event that cannot be read is one file less, never a failed step.
    pub fn drain(&mut self) {
        while let Ok(events) = self.group.read_events() {
            for event in &events {
                if let Some(fd) = event.fd() {
                    self.note(fd);
                }
            }
        }
    }

    fn note(&mut self, fd: BorrowedFd) {
        let link = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        if let Ok(path) = fs::read_link(&link)
            && self.opened.len() < MOST
        {
            // A name that is no UTF-8 will be found in no layer.
            self.opened.insert(path.to_string_lossy().into_owned());
        }
        let ignore = MarkFlags::FAN_MARK_ADD
            | MarkFlags::FAN_MARK_IGNORED_MASK
            | MarkFlags::FAN_MARK_IGNORED_SURV_MODIFY;
        // Without it the file is only told again.
        let _ = self.group.mark(ignore, events(), AT_FDCWD, Some(&link));
    }

    /// All of it, sorted, when the box is dead.
    pub fn finish(mut self) -> Vec<String> {
        self.drain();
        self.opened.into_iter().collect()
    }
}

impl AsFd for Witness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }
}

fn events() -> MaskFlags {
    MaskFlags::FAN_OPEN | MaskFlags::FAN_OPEN_EXEC
}

/// Whether what is mounted there is made of the layers: no build tree, kernel file system or bind.
fn shows_layers(spec: &Spec, point: &Path) -> bool {
    let own = POINTS.iter().any(|own| point.starts_with(own));
    !own && !spec.binds.iter().any(|bind| point.starts_with(&bind.target))
}
