//! The root of the box, put together by its first process from inside its namespaces: only there may
//! the overlay be mounted, since it keeps the credentials of its mounter.

use super::layers::{Layer, Plan, Views};
use crate::error::{Context, Failure, Stage};
use crate::spec::{Bind, Network, Spec};
use crate::sys::mount::{
    FsContext, NODEV, NOEXEC, NOSUID, RDONLY, attach, clone_of, clone_tree, make_writable,
    set_attributes,
};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};
use nix::unistd::{chdir, fchdir, mkdir, pivot_root, symlinkat, write};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where the parts lie before they are put together: a tmpfs over the host's `/dev`, which every host
/// has, in a mount namespace that lets go of it all at the end.
const STAGING: &str = "/dev";
/// Device nodes of the host that the box gets.
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Links in `/dev`.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];
/// Directories that the box has in any case.
pub const POINTS: [&str; 6] = ["/build", "/tmp", "/run", "/dev", "/proc", "/sys"];
/// What `/etc/hosts` says where the lowest layer brings it ([`hosts`]).
const LOCALHOST: &str = "127.0.0.1 localhost\n::1 localhost\n";
/// Where the build happens.
const BUILD: &str = "/build";
/// Bound for the number of files in a tmpfs: inodes are memory that its size limit does not count.
const TMP_FILES: &str = "1000000";

/// Makes the root and changes to it. Nothing of the host's tree can be named afterwards.
pub fn assemble(spec: &Spec, plan: &Plan, views: &Views) -> Result<(), Failure> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).at(Stage::Mounts)?;
    let nodes = device_nodes()?;
    stage(views)?;
    let binds = bind_points(spec, views)?;
    let root = root_overlay(spec, plan, &binds)?;
    open_writable(spec, root.as_fd())?;
    shortcuts(spec, plan, root.as_fd())?;
    mount_build(spec, plan, &binds, root.as_fd())?;
    mount_tmp(spec, &binds, root.as_fd())?;
    mount_dev(spec, root.as_fd(), &nodes)?;
    mount_proc(root.as_fd())?;
    for (bind, view) in spec.binds.iter().zip(&views.binds) {
        place(root.as_fd(), &bind.target, view.as_fd()).on(Stage::Binds, &bind.target)?;
    }
    change_root(root.as_fd())
}

/// Clones the host's device nodes. They stay the real root's: an id-mapped one could be chmod'ed.
fn device_nodes() -> Result<Vec<OwnedFd>, Failure> {
    let clone = |name: &&str| {
        let path = Path::new("/dev").join(name);
        let node = clone_tree(&path).on(Stage::Mounts, &path)?;
        set_attributes(node.as_fd(), RDONLY | NOSUID | NOEXEC, None).on(Stage::Mounts, &path)?;
        Ok(node)
    };
    NODES.iter().map(clone).collect()
}

/// A path in the staging tmpfs.
fn staged(name: &str, index: usize) -> PathBuf {
    Path::new(STAGING).join(format!("{name}{index}"))
}

impl Layer {
    fn staged(&self) -> PathBuf {
        staged("layer", self.view).join(&self.below)
    }
}

/// Mounts the staging tmpfs and attaches the views in it, where the overlay can look them up by path.
fn stage(views: &Views) -> Result<(), Failure> {
    let tmpfs = new_tmpfs("0700", 1 << 20).and_then(|fs| fs.mount(NOSUID | NODEV));
    let point = path_fd(Path::new(STAGING));
    attach(tmpfs.at(Stage::Mounts)?.as_fd(), point.at(Stage::Mounts)?.as_fd()).at(Stage::Mounts)?;
    for (name, fds) in [("layer", &views.shared), ("upper", &views.uppers)] {
        for (index, view) in fds.iter().enumerate() {
            let dir = staged(name, index);
            mkdir(&dir, Mode::S_IRWXU).on(Stage::Layers, &dir)?;
            let point = path_fd(&dir);
            attach(view.as_fd(), point.on(Stage::Layers, &dir)?.as_fd()).on(Stage::Layers, &dir)?;
        }
    }
    Ok(())
}

fn new_tmpfs(mode: &str, size: u64) -> io::Result<FsContext> {
    let fs = FsContext::open("tmpfs")?;
    fs.set("source", "tmpfs")?;
    fs.set("mode", mode)?;
    fs.set("size", size.to_string())?;
    fs.set("nr_inodes", TMP_FILES)?;
    Ok(fs)
}

/// The file of names that the lowest layer brings, for a box that has loopback as its network: suites connect to
/// `localhost`. Any other layer that has the file has its own.
fn hosts(spec: &Spec) -> Option<&'static Path> {
    (spec.network == Network::Loopback).then_some(Path::new("/etc/hosts"))
}

/// A mount point to be made: path in the box, and whether it is a directory.
type Point<'a> = (&'a Path, bool);

fn bind_points<'a>(spec: &'a Spec, views: &Views) -> Result<Vec<Point<'a>>, Failure> {
    let point = |(bind, view): (&'a Bind, &OwnedFd)| {
        let stat = fstat(view).on(Stage::Binds, &bind.source)?;
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        Ok((bind.target.as_path(), kind == SFlag::S_IFDIR))
    };
    spec.binds.iter().zip(&views.binds).map(point).collect()
}

/// Makes the writable directories mounts of their own on a root that is read-only otherwise: Landlock
/// does not govern chmod, chown and extended attributes, a read-only mount does.
fn open_writable(spec: &Spec, root: BorrowedFd) -> Result<(), Failure> {
    let all = Path::new("/");
    if spec.upper.is_none() || spec.writable.iter().any(|dir| dir == all) {
        return Ok(());
    }
    set_attributes(root, RDONLY, None).at(Stage::Root)?;
    for dir in spec.writable.iter().filter(|dir| !POINTS.iter().any(|own| dir.starts_with(own))) {
        let point = beneath(root, dir).on(Stage::Root, dir)?;
        let mount = clone_of(point.as_fd()).on(Stage::Root, dir)?;
        make_writable(mount.as_fd()).on(Stage::Root, dir)?;
        attach(mount.as_fd(), point.as_fd()).on(Stage::Root, dir)?;
    }
    Ok(())
}

/// The overlay on `/`: read-only unless the specification has an upper.
fn root_overlay(spec: &Spec, plan: &Plan, binds: &[Point]) -> Result<OwnedFd, Failure> {
    let skeleton = staged("skeleton", 0);
    let dirs = POINTS.iter().map(Path::new).chain(spec.writable.iter().map(PathBuf::as_path));
    let outside = binds.iter().filter(|(target, _)| !POINTS.iter().any(|p| target.starts_with(p)));
    let points = dirs.map(|dir| (dir, true)).chain(outside.copied());
    let points = points.chain(hosts(spec).map(|file| (file, false)));
    mount_points(&skeleton, Path::new("/"), points).on(Stage::Root, &skeleton)?;
    if let Some(file) = hosts(spec) {
        let path = skeleton.join(file.strip_prefix("/").unwrap_or(file));
        fs::write(&path, LOCALHOST).on(Stage::Root, &path)?;
    }
    let upper = spec.upper.as_ref().map(|_| staged("upper", 1));
    let root = overlay(Stage::Root, &plan.root, &skeleton, upper.as_deref())?;
    let point = staged("root", 0);
    mkdir(&point, Mode::S_IRWXU).at(Stage::Root)?;
    attach(root.as_fd(), path_fd(&point).at(Stage::Root)?.as_fd()).at(Stage::Root)?;
    Ok(root)
}

/// Mounts directories that only one layer has, and that nothing writes to, over the overlay: the same
/// files without the overlay's detour. Compilers look up and open so many headers that this detour is
/// most of what a box costs (`docs/decisions/0017-around-the-overlay.md`).
fn shortcuts(spec: &Spec, plan: &Plan, root: BorrowedFd) -> Result<(), Failure> {
    let layers: Vec<PathBuf> = plan.root.iter().map(Layer::staged).collect();
    let taken = spec.writable.iter().chain(spec.binds.iter().map(|bind| &bind.target));
    let own = POINTS.iter().map(Path::new).chain(hosts(spec));
    let taken: Vec<&Path> = taken.map(PathBuf::as_path).chain(own).collect();
    for base in layers.iter().rev().take(spec.plain) {
        for entry in base.read_dir().on(Stage::Layers, base)? {
            let entry = entry.on(Stage::Layers, base)?;
            let target = Path::new("/").join(entry.file_name());
            let shared = layers.iter().filter(|other| has(other, &entry.file_name())).count() > 1;
            let used = taken.iter().any(|t| t.starts_with(&target) || target.starts_with(t));
            if !shared && !used && entry.file_type().on(Stage::Layers, &target)?.is_dir() {
                let view = clone_tree(&entry.path()).on(Stage::Root, &target)?;
                place(root, &target, view.as_fd()).on(Stage::Root, &target)?;
            }
        }
    }
    Ok(())
}

/// Whether a layer says anything about `name`, be it that it is gone. What cannot be looked at counts.
fn has(layer: &Path, name: &OsStr) -> bool {
    !matches!(layer.join(name).symlink_metadata(), Err(e) if e.kind() == io::ErrorKind::NotFound)
}

/// The overlay on `/build`, always writable.
fn mount_build(spec: &Spec, plan: &Plan, binds: &[Point], root: BorrowedFd) -> Result<(), Failure> {
    let skeleton = staged("skeleton", 1);
    let within = binds.iter().filter(|(target, _)| target.starts_with(BUILD)).copied();
    mount_points(&skeleton, Path::new(BUILD), within).on(Stage::Build, &skeleton)?;
    debug_assert_eq!(spec.build.layers.len(), plan.build.len());
    let upper = staged("upper", 0);
    let build = overlay(Stage::Build, &plan.build, &skeleton, Some(&upper))?;
    place(root, Path::new(BUILD), build.as_fd()).on(Stage::Build, BUILD)
}

/// Makes empty directories and files that only serve as mount points. In an overlay they are the lowest
/// layer, no part of what the step leaves, and the second layer without which overlayfs refuses to be
/// read-only.
fn mount_points<'a>(
    base: &Path,
    prefix: &Path,
    points: impl Iterator<Item = Point<'a>>,
) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o755);
    builder.create(base)?;
    for (target, directory) in points {
        let path = base.join(target.strip_prefix(prefix).unwrap_or(target));
        if directory {
            builder.create(path)?;
        } else {
            path.parent().map_or(Ok(()), |parent| builder.create(parent))?;
            File::create(path)?;
        }
    }
    Ok(())
}

fn overlay(
    stage: Stage,
    layers: &[Layer],
    skeleton: &Path,
    upper: Option<&Path>,
) -> Result<OwnedFd, Failure> {
    let fs = FsContext::open("overlay").at(stage)?;
    let attributes = NOSUID | NODEV | if upper.is_some() { 0 } else { RDONLY };
    let mounted = configure(&fs, layers, skeleton, upper).and_then(|()| fs.mount(attributes));
    mounted
        .at(stage)
        .map_err(|failure| Failure { detail: fs.last_message().unwrap_or_default(), ..failure })
}

/// `volatile` spares the sync of the whole upper file system that overlayfs does when it is unmounted;
/// the store syncs once before it commits. `xino` has `readdir` and `stat` give one number for a directory:
/// the layers are on two file systems (the skeleton's is a tmpfs), and gawk's suite, or a shell that looks up
/// where it is, compares them.
fn configure(
    fs: &FsContext,
    layers: &[Layer],
    skeleton: &Path,
    upper: Option<&Path>,
) -> io::Result<()> {
    fs.set("source", "overlay")?;
    fs.flag("userxattr")?;
    fs.set("xino", "on")?;
    for layer in layers {
        fs.set("lowerdir+", layer.staged())?;
    }
    fs.set("lowerdir+", skeleton)?;
    if let Some(upper) = upper {
        fs.set("upperdir", upper.join("upper"))?;
        fs.set("workdir", upper.join("work"))?;
        fs.flag("volatile")?;
    }
    Ok(())
}

fn path_fd(path: &Path) -> nix::Result<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
}

/// Attaches a mount at a path of the new root. No link of a layer can lead it elsewhere.
fn place(root: BorrowedFd, target: &Path, mount: BorrowedFd) -> io::Result<()> {
    attach(mount, beneath(root, target)?.as_fd())
}

/// Opens a path of the new root as a mount point; no part of it may be a link.
fn beneath(root: BorrowedFd, target: &Path) -> nix::Result<OwnedFd> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(
        ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS,
    );
    openat2(root, target.strip_prefix("/").unwrap_or(target), how)
}

fn mount_tmp(spec: &Spec, binds: &[Point], root: BorrowedFd) -> Result<(), Failure> {
    for (path, mode) in [("/tmp", "1777"), ("/run", "0755")] {
        let tmpfs = new_tmpfs(mode, spec.limits.tmp_bytes).on(Stage::Mounts, path)?;
        let tmpfs = tmpfs.mount(NOSUID | NODEV).on(Stage::Mounts, path)?;
        place(root, Path::new(path), tmpfs.as_fd()).on(Stage::Mounts, path)?;
        let base = Path::new(STAGING).join("root0").join(path.trim_start_matches('/'));
        let within = binds.iter().filter(|(target, _)| target.starts_with(path)).copied();
        mount_points(&base, Path::new(path), within).on(Stage::Mounts, path)?;
    }
    Ok(())
}

/// `/dev`: a read-only tmpfs with the host's harmless nodes, terminals of its own and shared memory.
fn mount_dev(spec: &Spec, root: BorrowedFd, nodes: &[OwnedFd]) -> Result<(), Failure> {
    let fs = new_tmpfs("0755", 1 << 20).at(Stage::Mounts)?;
    let dev = fs.mount(NOSUID | NOEXEC).at(Stage::Mounts)?;
    place(root, Path::new("/dev"), dev.as_fd()).on(Stage::Mounts, "/dev")?;
    for (name, node) in NODES.iter().zip(nodes) {
        let flags = OFlag::O_CREAT | OFlag::O_CLOEXEC;
        openat(&dev, *name, flags, Mode::empty()).on(Stage::Mounts, name)?;
        place(dev.as_fd(), Path::new(name), node.as_fd()).on(Stage::Mounts, name)?;
    }
    for (name, to) in LINKS {
        symlinkat(to, &dev, name).on(Stage::Mounts, name)?;
    }
    let shm = new_tmpfs("1777", spec.limits.tmp_bytes).at(Stage::Mounts)?;
    for (name, fs) in [("pts", terminals().at(Stage::Mounts)?), ("shm", shm)] {
        mkdirat(&dev, name, Mode::from_bits_truncate(0o755)).on(Stage::Mounts, name)?;
        let mount = fs.mount(NOSUID | NOEXEC).on(Stage::Mounts, name)?;
        place(dev.as_fd(), Path::new(name), mount.as_fd()).on(Stage::Mounts, name)?;
    }
    set_attributes(dev.as_fd(), RDONLY, None).on(Stage::Mounts, "/dev")
}

/// Pseudo terminals that nobody else has: expect and DejaGnu need some.
fn terminals() -> io::Result<FsContext> {
    let fs = FsContext::open("devpts")?;
    fs.set("source", "devpts")?;
    fs.set("ptmxmode", "0666")?;
    fs.set("mode", "0620")?;
    Ok(fs)
}

/// `/proc`, read-only. Before that, the box is forbidden to make user namespaces: in one it would have
/// all capabilities again, and with them most of the kernel's attack surface.
fn mount_proc(root: BorrowedFd) -> Result<(), Failure> {
    const NESTED: &str = "sys/user/max_user_namespaces";
    let fs = FsContext::open("proc").on(Stage::Mounts, "/proc")?;
    let proc = fs.mount(NOSUID | NODEV | NOEXEC).on(Stage::Mounts, "/proc")?;
    let limit = openat(&proc, NESTED, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())
        .on(Stage::Mounts, NESTED)?;
    write(&limit, b"0").on(Stage::Mounts, NESTED)?;
    // A mount with a writer cannot be made read-only.
    drop(limit);
    set_attributes(proc.as_fd(), RDONLY, None).on(Stage::Mounts, "/proc")?;
    place(root, Path::new("/proc"), proc.as_fd()).on(Stage::Mounts, "/proc")
}

/// Makes `root` the root and lets go of everything else.
fn change_root(root: BorrowedFd) -> Result<(), Failure> {
    fchdir(root).at(Stage::Pivot)?;
    pivot_root(".", ".").at(Stage::Pivot)?;
    // The old root now lies on top of the new one at the same place.
    umount2(".", MntFlags::MNT_DETACH).at(Stage::Pivot)?;
    chdir("/").at(Stage::Pivot)
}
