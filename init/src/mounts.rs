//! What is mounted when the machine comes up, and how everything is unmounted when it goes down.

use heapless::{Deque, String};

use crate::cmdline::cut;
use crate::kernel::{Errno, Mount, PATH, Result, Sys};

/// A kernel file system of the boot.
const fn special(
    target: &'static str,
    fstype: &'static str,
    no_exec: bool,
    data: &'static str,
) -> Special {
    Special { target, fstype, no_exec, data }
}

/// A file system without a device.
#[derive(Debug, Clone, Copy)]
pub struct Special {
    /// Where.
    pub target: &'static str,
    fstype: &'static str,
    no_exec: bool,
    data: &'static str,
}

impl Special {
    /// The mount to make.
    pub fn mount(&self) -> Mount {
        Mount {
            source: cut(self.fstype),
            target: self.target,
            fstype: self.fstype,
            read_only: false,
            // Devices live only in devtmpfs and devpts; nothing there is set-user-id.
            no_suid_dev: !matches!(self.fstype, "devtmpfs" | "devpts"),
            no_exec: self.no_exec,
            data: self.data,
        }
    }
}

/// The kernel file systems, in order. `/tmp` and `/run` take a quarter of the memory at most;
/// builds have their own.
pub const KERNEL_FS: &[Special] = &[
    special("/proc", "proc", true, ""),
    special("/sys", "sysfs", true, ""),
    special("/dev", "devtmpfs", true, "mode=0755"),
    special("/dev/pts", "devpts", true, "mode=0620,gid=5,ptmxmode=0666"),
    special("/run", "tmpfs", true, "mode=0755,size=25%"),
    special("/tmp", "tmpfs", false, "mode=1777,size=25%"),
    special("/sys/fs/cgroup", "cgroup2", true, "nsdelegate,memory_recursiveprot"),
];

/// The tmpfs that stands in for a missing state disk.
pub const VOLATILE: Special = special("/state", "tmpfs", false, "mode=0755,size=75%");

/// The controllers handed to pkgd for its steps.
pub const CONTROLLERS: [&str; 4] = ["+cpu", "+memory", "+pids", "+io"];

/// One line of `mountinfo` (proc_pid_mountinfo(5)), as far as going down needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Where, unescaped.
    pub target: String<PATH>,
    /// Holds data that must reach a disk: not a kernel file system, not in memory.
    pub real: bool,
    /// Mounted read-only already.
    pub read_only: bool,
}

/// File systems that hold nothing worth a write, and whose absence would cripple the rest of the
/// way down.
const KEPT: [&str; 9] =
    ["proc", "sysfs", "devtmpfs", "devpts", "cgroup2", "rootfs", "ramfs", "securityfs", "efivarfs"];

/// Reads one line. `None`: not to be unmounted, or not understood.
pub fn parse_line(line: &str) -> Option<Mounted> {
    let (left, right) = line.split_once(" - ")?;
    let target = unescape(left.split(' ').nth(4)?)?;
    let mut right = right.split(' ');
    let fstype = right.next()?;
    let options = right.nth(1)?;
    let kept = KEPT.contains(&fstype);
    let read_only = options.split(',').next() == Some("ro");
    (!kept).then_some(Mounted { target, real: fstype != "tmpfs" && fstype != "overlay", read_only })
}

/// Undoes `\ooo`, which stands for space, tab, newline and backslash.
fn unescape(text: &str) -> Option<String<PATH>> {
    let mut bytes = heapless::Vec::<u8, PATH>::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|_| *first == b'\\').and_then(|d| str::from_utf8(d).ok());
        match octal.and_then(|d| u8::from_str_radix(d, 8).ok()) {
            Some(byte) => {
                bytes.push(byte).ok()?;
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first).ok()?;
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// Calls `each` for every line of a file of any length, without the heap. Lines longer than the
/// buffer are skipped.
pub fn for_each_line(sys: &mut dyn Sys, path: &str, each: &mut dyn FnMut(&str)) -> Result<()> {
    let mut buffer = [0u8; 4096];
    let mut offset = 0u64;
    loop {
        let n = sys.read_file(path, offset, &mut buffer)?;
        let block = buffer.get(..n).unwrap_or_default();
        let whole = match block.iter().rposition(|b| *b == b'\n') {
            Some(end) => end + 1,
            None => n,
        };
        if whole == 0 {
            return Ok(());
        }
        for line in block[..whole].split(|b| *b == b'\n') {
            if let Ok(line) = str::from_utf8(line) {
                each(line);
            }
        }
        offset += whole as u64;
    }
}

/// How many mounts one round takes; more are taken by the next.
const ROUND: usize = 32;

/// The newest mounts: a mount point below another was mounted after it.
fn newest(sys: &mut dyn Sys) -> Result<Deque<Mounted, ROUND>> {
    let mut list = Deque::new();
    for_each_line(sys, "/proc/self/mountinfo", &mut |line| {
        if let Some(mount) = parse_line(line) {
            if list.is_full() {
                list.pop_front();
            }
            // There is room now.
            let _ = list.push_back(mount);
        }
    })?;
    Ok(list)
}

/// Unmounts deepest first, again and again, until a round achieves nothing; makes the rest
/// read-only.
///
/// # Errors
/// The first error, when a file system with data stays writable: it will need its journal.
pub fn unmount_all(sys: &mut dyn Sys) -> Result<()> {
    loop {
        let list = newest(sys)?;
        // The kernel takes unmounting the root for making it read-only, and would do so again and again.
        let below = list.iter().rev().filter(|m| m.target != "/");
        let gone = below.filter(|m| sys.unmount(&m.target).is_ok()).count();
        if gone == 0 {
            return make_read_only(sys, &list);
        }
    }
}

/// Tries every one, whatever the others say.
fn make_read_only(sys: &mut dyn Sys, list: &Deque<Mounted, ROUND>) -> Result<()> {
    let mut done = Ok(());
    for mount in list.iter().rev().filter(|m| m.real && !m.read_only) {
        done = done.and(sys.remount_ro(&mount.target));
    }
    done
}

/// Whether an error of mounting a kernel file system means that it is there already.
pub fn already_mounted(error: Errno) -> bool {
    error == Errno::EBUSY
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{KERNEL_FS, parse_line, unescape};

    #[test]
    fn lines_of_mountinfo_are_read() {
        let m = parse_line(
            "36 35 254:0 / /state rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro",
        )
        .unwrap();
        assert_eq!((m.target.as_str(), m.real, m.read_only), ("/state", true, false));
        let m = parse_line("37 35 254:16 / /seed ro,nosuid - squashfs /dev/vdb ro,errors=continue")
            .unwrap();
        assert!(m.read_only);
        let m = parse_line("40 1 254:0 /roots/7 / ro,nodev - ext4 /dev/vda rw").unwrap();
        assert!(m.real && !m.read_only, "its file system is written to elsewhere");
        let m = parse_line(r"38 35 0:30 / /state/my\040dir rw - tmpfs tmpfs rw").unwrap();
        assert_eq!((m.target.as_str(), m.real), ("/state/my dir", false));
    }

    #[test]
    fn what_the_way_down_needs_is_kept() {
        for line in [
            "1 1 0:2 / / rw - rootfs rootfs rw",
            "20 1 0:20 / /proc rw - proc proc rw",
            "21 1 0:21 / /dev rw - devtmpfs devtmpfs rw",
            "nonsense",
            "",
        ] {
            assert_eq!(parse_line(line), None, "{line}");
        }
    }

    #[test]
    fn parents_are_mounted_before_children() {
        for (i, fs) in KERNEL_FS.iter().enumerate() {
            let parent = fs.target.rsplit_once('/').unwrap().0;
            let needs =
                KERNEL_FS.iter().position(|f| !parent.is_empty() && parent.starts_with(f.target));
            assert!(needs.is_none_or(|n| n < i), "{}", fs.target);
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "[ -~]{0,200}", path in r"(\\|[0-7a-z/]){0,40}") {
            let _ = parse_line(&line);
            // Bytes that are no UTF-8 make it nothing.
            let _ = unescape(&path);
        }
    }
}
