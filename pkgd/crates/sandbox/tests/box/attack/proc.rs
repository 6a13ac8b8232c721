//! `/proc`, `/sys` and `/dev`: what of the machine can be reached through files.

use super::{Act, DENIED, NOT_THERE, READ_ONLY, UNWRITABLE};
use nix::errno::Errno;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

pub const ACTS: &[Act] = &[
    Act("write nothing at all in /proc", &[], nothing_writable),
    Act("overwrite the running program", PROGRAM, || write("/proc/self/exe")),
    Act("overwrite the program of process 1", UNWRITABLE, || write("/proc/1/exe")),
    Act("read the program of process 1", DENIED, || read("/proc/1/exe")),
    Act("enter the root of process 1", DENIED, || read("/proc/1/root/canary")),
    Act("enter the directory of process 1", DENIED, || read("/proc/1/cwd/canary")),
    Act("list the descriptors of process 1", DENIED, || fs::read_dir("/proc/1/fd").map(drop)),
    Act("read the environment of process 1", DENIED, || read("/proc/1/environ")),
    Act("read the memory of process 1", DENIED, || read("/proc/1/mem")),
    Act("write its own memory by /proc", READ_ONLY, || write("/proc/self/mem")),
    Act("save itself from the OOM killer", READ_ONLY, || write("/proc/self/oom_score_adj")),
    Act("press a magic key", UNWRITABLE_OR_ABSENT, || write("/proc/sysrq-trigger")),
    Act("set the core pattern", UNWRITABLE_OR_ABSENT, || write("/proc/sys/kernel/core_pattern")),
    Act("set the module loader", UNWRITABLE_OR_ABSENT, || write("/proc/sys/kernel/modprobe")),
    Act("allow user namespaces again", UNWRITABLE, || write("/proc/sys/user/max_user_namespaces")),
    Act("read the kernel's memory", SECRET, || read("/proc/kcore")),
    Act("read the kernel's log", SECRET, || read("/proc/kmsg")),
    Act("find the kernel's log device", NOT_THERE, || read("/dev/kmsg")),
    Act("find physical memory", NOT_THERE, || read("/dev/mem")),
    Act("find the console", NOT_THERE, || read("/dev/console")),
    Act("find a loop device", NOT_THERE, || read("/dev/loop0")),
    Act("find a fuse device", NOT_THERE, || read("/dev/fuse")),
    Act("find nothing in /sys", &[], || empty("/sys")),
    Act("find no foreign process", &[], only_own_processes),
    Act("find no foreign mount", &[], only_own_mounts),
    Act("read the machine's processors", &[], || read("/proc/cpuinfo")),
];

/// A kernel may be built without it.
const UNWRITABLE_OR_ABSENT: &[Errno] = &[Errno::EACCES, Errno::EROFS, Errno::ENOENT];
const PROGRAM: &[Errno] = &[Errno::EACCES, Errno::EROFS, Errno::ETXTBSY];
const SECRET: &[Errno] = &[Errno::EACCES, Errno::EPERM, Errno::ENOENT];

fn write(path: &str) -> io::Result<()> {
    File::options().write(true).open(path).map(drop)
}

fn read(path: &str) -> io::Result<()> {
    File::open(path).map(drop)
}

fn bad<T>(what: String) -> io::Result<T> {
    Err(io::Error::other(what))
}

fn empty(path: &str) -> io::Result<()> {
    match fs::read_dir(path)?.next() {
        None => Ok(()),
        Some(entry) => bad(format!("{:?}", entry?.path())),
    }
}

/// Opens every file of `/proc` for writing, its own process's included.
fn nothing_writable() -> io::Result<()> {
    let mut queue = vec![PathBuf::from("/proc")];
    let mut files = 0;
    while let Some(dir) = queue.pop() {
        // Others' directories may not be listed, and threads come and go.
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                queue.push(path);
            } else if kind.is_file() {
                files += 1;
                if File::options().write(true).open(&path).is_ok() {
                    return bad(format!("{} can be written", path.display()));
                }
            }
        }
    }
    // A walk that met nothing has proven nothing.
    if files > 500 { Ok(()) } else { bad(format!("only {files} files")) }
}

/// Process 1 of the box, and us.
fn only_own_processes() -> io::Result<()> {
    let names = fs::read_dir("/proc")?.flatten().map(|entry| entry.file_name());
    let pids: Vec<u32> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    if pids.len() == 2 && pids.contains(&1) { Ok(()) } else { bad(format!("{pids:?}")) }
}

/// Every mount is of a kind that the box made for itself, or a device node.
fn only_own_mounts() -> io::Result<()> {
    for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
        let (left, right) = line.split_once(" - ").unwrap_or_default();
        let point = left.split(' ').nth(4).unwrap_or_default();
        let kind = right.split(' ').next().unwrap_or_default();
        let own = ["overlay", "proc", "tmpfs", "devpts"].contains(&kind);
        let node = Path::new(point).parent() == Some(Path::new("/dev"));
        // Directories of a layer, shown without the overlay.
        let shown = Path::new(point).parent() == Some(Path::new("/"))
            && left.split(' ').nth(5).is_some_and(|flags| flags.starts_with("ro,nosuid,nodev"))
            && left.contains(",idmapped");
        if !own && !node && !shown {
            return bad(line.to_owned());
        }
    }
    Ok(())
}
