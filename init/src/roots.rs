//! The root of a generation: how it is put together from the state disk, and how it becomes the root of
//! the machine.
//!
//! A forked helper does what touches the disk: it mounts everything below `/newroot`. PID 1 itself only
//! moves mounts that exist and changes its root, which is work in memory, and each move can be undone.
//! Until the last call nothing has happened that the initramfs would notice.
//!
//! The root is made the root of the mount namespace (`MS_MOVE`) and not only of the processes (`chroot`):
//! in a changed root the kernel refuses user namespaces, which the sandbox of pkgd needs.

use core::fmt::Write as _;

use heapless::String;
use minos_proto::bootplan;

use crate::cmdline::cut;
use crate::kernel::{Errno, Mount, PATH, Result, Sys};

/// Where the root is put together.
pub const NEW: &str = "/newroot";
/// Where the initramfs is found afterwards.
pub const INITRAMFS: &str = "/run/initramfs";
/// Where the generations' roots are.
pub const ROOTS: &str = "/state/roots";

/// The directories that every root must have: mount points, and what init mounts over.
const NEEDED: [&str; 10] =
    ["/dev", "/proc", "/sys", "/run", "/tmp", "/state", "/var", "/etc", "/home", "/root"];
/// What is moved from the initramfs, in this order.
const MOVED: [&str; 6] = ["/proc", "/sys", "/dev", "/run", "/tmp", "/state"];
/// Images that are moved into the initramfs's new place, if they are mounted.
const IMAGES: [&str; 2] = ["/seed", "/sources"];
/// What belongs to the machine and not to a generation, with its mode.
const MACHINE: [(&str, u32); 6] = [
    ("/state/machine", 0o755),
    ("/state/machine/var", 0o755),
    ("/state/machine/.var", 0o700),
    ("/state/machine/home", 0o755),
    ("/state/machine/root", 0o700),
    ("/state/machine/srv", 0o755),
];
/// Of these, what is mounted as it is. `/srv` only where the root has it.
const BOUND: [&str; 3] = ["/home", "/root", "/srv"];
/// `/var` shows what the generation ships below what the machine wrote: nothing has to be copied, and what
/// was changed or deleted there stays so.
const VAR: &str = "lowerdir=/newroot/var,upperdir=/state/machine/var,workdir=/state/machine/.var";
/// Exit statuses of the helper from here on: a directory that the root lacks. Errno numbers end at 133.
const LACKS: u8 = 200;

/// Why a root cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It lacks this directory, or the boot plan; `/`: there is no root.
    Lacks(&'static str),
    /// A call failed.
    Failed(Errno),
}

impl From<Errno> for Fault {
    fn from(error: Errno) -> Self {
        Self::Failed(error)
    }
}

impl Fault {
    /// The exit status by which a helper tells it.
    pub fn status(self) -> u8 {
        match self {
            Self::Lacks(path) => {
                let at = NEEDED.iter().position(|n| *n == path).map_or(0, |at| at + 1);
                LACKS.saturating_add(at as u8)
            }
            Self::Failed(e) => u8::try_from(e as i32).unwrap_or(u8::MAX),
        }
    }

    /// What a helper told by its exit status.
    pub fn from_status(status: u8) -> Self {
        match status.checked_sub(LACKS) {
            Some(0) => Self::Lacks("/"),
            Some(n) if usize::from(n) <= NEEDED.len() => Self::Lacks(NEEDED[usize::from(n) - 1]),
            _ => Self::Failed(Errno::from_raw(i32::from(status))),
        }
    }
}

fn join(head: &str, tail: &str) -> String<PATH> {
    let mut path = String::new();
    // Short by construction.
    let _ = path.push_str(head).and_then(|()| path.push_str(tail));
    path
}

/// The path of a generation's root.
pub fn path_of(generation: u64) -> String<PATH> {
    let mut path = String::new();
    // Twenty digits at most.
    let _ = write!(path, "{ROOTS}/{generation}");
    path
}

fn needs(sys: &mut dyn Sys, path: &str, name: &'static str) -> core::result::Result<(), Fault> {
    match sys.directory(path) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => Err(Fault::Lacks(name)),
        done => done.map_err(Fault::from),
    }
}

/// Mounts a generation below [`NEW`]. For a helper: it reads the disk.
///
/// # Errors
/// The first thing that is missing or failed; what was mounted until then is left for [`discard`].
pub fn assemble(sys: &mut dyn Sys, generation: u64) -> core::result::Result<(), Fault> {
    let root = path_of(generation);
    sys.mkdir(NEW)?;
    needs(sys, &root, "/")?;
    sys.bind(&root, NEW)?;
    sys.restrict(NEW, true, false)?;
    for name in NEEDED {
        needs(sys, &join(NEW, name), name)?;
    }
    // Config files are copies; everything else in the root shares its inodes with other generations.
    sys.bind(&join(&root, "/etc"), &join(NEW, "/etc"))?;
    sys.restrict(&join(NEW, "/etc"), false, true)?;
    for (path, mode) in MACHINE {
        sys.mkdir_mode(path, mode)?;
    }
    sys.mount(&var())?;
    for name in BOUND {
        let target = join(NEW, name);
        if NEEDED.contains(&name) || sys.directory(&target).is_ok() {
            sys.bind(&join("/state/machine", name), &target)?;
            sys.restrict(&target, false, true)?;
        }
    }
    // PID 1 reads it next: from memory then, so that a dying disk cannot hold it up.
    let mut plan = [0; 512];
    let mut at = 0;
    while at < bootplan::MAX as u64
        && sys.read_file(&plan_path(NEW), at, &mut plan).is_ok_and(|n| n == plan.len())
    {
        at += plan.len() as u64;
    }
    Ok(())
}

fn var() -> Mount {
    Mount {
        source: cut("overlay"),
        target: "/newroot/var",
        fstype: "overlay",
        read_only: false,
        no_suid_dev: true,
        no_exec: false,
        data: VAR,
    }
}

/// The path of the boot plan in the root that is mounted at `root`.
pub fn plan_path(root: &str) -> String<PATH> {
    join(&join(root, "/"), bootplan::PATH)
}

/// Makes what [`assemble`] has mounted the root of the machine.
///
/// # Errors
/// The first call that failed; everything is as it was before then.
pub fn enter(sys: &mut dyn Sys) -> Result<()> {
    for (done, path) in MOVED.into_iter().enumerate() {
        if let Err(e) = sys.move_mount(path, &join(NEW, path)) {
            undo(sys, done);
            return Err(e);
        }
    }
    let entered = keep_initramfs(sys).and_then(|()| sys.enter(NEW));
    if entered.is_err() {
        let kept = join(NEW, INITRAMFS);
        for path in IMAGES {
            let _ = sys.move_mount(&join(&kept, path), path);
        }
        let _ = sys.detach(&kept);
        undo(sys, MOVED.len());
    }
    entered
}

fn keep_initramfs(sys: &mut dyn Sys) -> Result<()> {
    let kept = join(NEW, INITRAMFS);
    sys.mkdir(&kept)?;
    sys.bind("/", &kept)?;
    for path in IMAGES {
        // Not mounted: EINVAL.
        let _ = sys.move_mount(path, &join(&kept, path));
    }
    Ok(())
}

fn undo(sys: &mut dyn Sys, moved: usize) {
    for path in MOVED.into_iter().take(moved).rev() {
        // There is nothing else to try: it was there a moment ago.
        let _ = sys.move_mount(&join(NEW, path), path);
    }
}

/// Lets go of what was put together.
pub fn discard(sys: &mut dyn Sys) {
    // Nothing is mounted there when it never came so far.
    let _ = sys.detach(NEW);
}

#[cfg(test)]
mod tests {
    use super::{Fault, IMAGES, MOVED, NEEDED, assemble, discard, enter, path_of};
    use crate::fake::{Fake, Fault as Failing};
    use crate::kernel::Errno;

    fn machine() -> Fake {
        let fake = Fake::machine();
        let mounted = MOVED.iter().chain(&IMAGES).map(ToString::to_string);
        fake.world().mounted.extend(mounted);
        fake
    }

    #[test]
    fn every_fault_survives_its_exit_status() {
        for name in NEEDED.into_iter().chain(["/"]) {
            assert_eq!(Fault::from_status(Fault::Lacks(name).status()), Fault::Lacks(name));
        }
        for error in [Errno::EIO, Errno::EHWPOISON, Errno::EPERM] {
            let fault = Fault::Failed(error);
            assert_eq!(Fault::from_status(fault.status()), fault);
        }
    }

    #[test]
    fn a_directory_that_is_missing_is_named() {
        for name in NEEDED {
            let mut fake = machine();
            fake.world().missing.insert(format!("/newroot{name}"));
            assert_eq!(assemble(&mut fake, 7), Err(Fault::Lacks(name)));
        }
        let mut fake = machine();
        fake.world().missing.insert(path_of(7).to_string());
        assert_eq!(assemble(&mut fake, 7), Err(Fault::Lacks("/")));
    }

    #[test]
    fn everything_is_below_the_new_root_before_it_becomes_the_root() {
        let mut fake = machine();
        assemble(&mut fake, 7).unwrap();
        enter(&mut fake).unwrap();
        let mounted = fake.world().mounted.clone();
        for path in MOVED.into_iter().chain(["/", "/etc", "/var", "/home", "/root", "/srv"]) {
            assert!(mounted.contains(&path.to_owned()), "{path} {mounted:?}");
        }
        assert!(mounted.contains(&"/run/initramfs/seed".to_owned()), "{mounted:?}");
        assert!(!mounted.iter().any(|m| m.starts_with("/newroot")), "{mounted:?}");
        assert!(fake.world().read_only.contains(&"/newroot".to_owned()));
    }

    /// Whichever call fails, the initramfs has everything back where it was.
    #[test]
    fn a_move_that_fails_is_undone() {
        let calls = {
            let mut fake = machine();
            assemble(&mut fake, 7).unwrap();
            let before = fake.world().calls;
            enter(&mut fake).unwrap();
            fake.world().calls - before
        };
        for n in 1..=calls {
            let mut fake = machine();
            let mut before = fake.world().mounted.clone();
            assemble(&mut fake, 7).unwrap();
            let at = fake.world().calls + n;
            fake.world().fault = Failing::Once(at, Errno::EIO);
            if enter(&mut fake).is_ok() {
                continue; // an image that could not be moved is done without
            }
            discard(&mut fake);
            let mut after = fake.world().mounted.clone();
            before.sort();
            after.sort();
            assert_eq!(after, before, "call {n}");
        }
    }
}
