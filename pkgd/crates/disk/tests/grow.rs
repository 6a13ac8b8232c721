//! Disks made and grown, looked at with the tools of others. Needs root and loop devices.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use minos_disk::{DiskError, Extent, Kind, Part, Target, esp, ext4, grow, table};

/// Runs a program that must end well; what it said.
fn run(words: &[&str]) -> String {
    let done = Command::new(words[0]).args(&words[1..]).output().expect(words[0]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{words:?}: {said}{}", String::from_utf8_lossy(&done.stderr));
    said
}

fn must_be_root() {
    assert!(fs::metadata("/proc/self").unwrap().uid() == 0, "this test mounts: run it as root");
}

/// A loop device; gone when dropped.
struct Loop(String);

impl Loop {
    fn new(file: &Path) -> Self {
        must_be_root();
        Self(run(&["losetup", "-f", "--show", file.to_str().unwrap()]).trim().to_owned())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).status();
    }
}

/// A mount; gone when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(device: &str, at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        run(&["mount", device, at.to_str().unwrap()]);
        Self(at.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_is_what_other_tools_take_it_for() {
    must_be_root();
    let dir = tempfile::tempdir().unwrap();
    let (image, efi, tree) =
        (dir.path().join("disk"), dir.path().join("efi"), dir.path().join("t"));
    fs::write(&efi, (0..5_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>()).unwrap();
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/passwd"), "root\n").unwrap();
    fs::hard_link(tree.join("etc/passwd"), tree.join("etc/passwd-")).unwrap();
    symlink("passwd", tree.join("etc/link")).unwrap();
    fs::set_permissions(tree.join("etc/passwd"), PermissionsExt::from_mode(0o4640)).unwrap();
    std::os::unix::fs::chown(tree.join("etc"), Some(7), Some(8)).unwrap();

    let parts = [
        Part { kind: Kind::Esp, name: "minos-esp", bytes: esp::size(5_000_000, 512) },
        Part { kind: Kind::Linux, name: ext4::LABEL, bytes: ext4::MINIMUM },
    ];
    let target = Target::open(&image, None, table::smallest(&parts) + (40 << 20)).unwrap();
    let extents = table::layout(target.disk(), &parts).unwrap();
    let disk = target.disk();
    esp::write(disk.file, disk.path, extents[0], disk.sector, &mut File::open(&efi).unwrap())
        .unwrap();
    let target = target.lend(|path| ext4::populate(path, extents[1], &tree)).unwrap();
    assert!(!image.exists(), "it has no name before it is whole");
    assert_eq!(table::create(target.disk(), &parts, b"test").unwrap(), extents);
    assert_eq!(target.finish().unwrap(), fs::metadata(&image).unwrap().len());

    let path = image.to_str().unwrap();
    assert!(run(&["sgdisk", "-v", path]).contains("No problems found"));
    let part = |extent: Extent, name: &str| {
        let out = dir.path().join(name);
        let (skip, count) = (extent.offset >> 20, extent.bytes >> 20);
        let (of, skip, count) = (out.display(), format!("skip={skip}"), format!("count={count}"));
        run(&["dd", &format!("if={path}"), &format!("of={of}"), "bs=1M", &skip, &count]);
        out
    };
    let esp = part(extents[0], "esp");
    let said = run(&["fsck.vfat", "-n", "-v", esp.to_str().unwrap()]);
    assert!(said.contains("5 files, ") || said.contains("4 files, "), "{said}");
    run(&[
        "mcopy",
        "-i",
        esp.to_str().unwrap(),
        "::EFI/BOOT/BOOTX64.EFI",
        dir.path().join("out").to_str().unwrap(),
    ]);
    assert!(fs::read(dir.path().join("out")).unwrap() == fs::read(&efi).unwrap());
    let state = part(extents[1], "state");
    run(&["e2fsck", "-f", "-n", state.to_str().unwrap()]);
    let device = Loop::new(&state);
    let mount = Mount::new(&device.0, &dir.path().join("mnt"));
    let found = fs::metadata(mount.0.join("etc/passwd")).unwrap();
    assert_eq!((found.nlink(), found.mode() & 0o7777), (2, 0o4640));
    assert_eq!(fs::metadata(mount.0.join("etc")).unwrap().gid(), 8);
    assert_eq!(fs::read_link(mount.0.join("etc/link")).unwrap(), Path::new("passwd"));
}

#[test]
fn what_is_in_use_or_not_confirmed_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    fs::write(&image, "somebody's work").unwrap();
    assert!(matches!(Target::open(&image, None, 1 << 20), Err(DiskError::Exists(_))));
    assert!(matches!(Target::open(dir.path(), None, 1 << 20), Err(DiskError::NoDisk { .. })));
    assert!(matches!(Target::open(Path::new("/dev/null"), None, 0), Err(DiskError::NoDisk { .. })));

    File::options().write(true).open(&image).unwrap().set_len(32 << 20).unwrap();
    run(&["mke2fs", "-q", "-F", image.to_str().unwrap()]);
    let before = fs::read(&image).unwrap();
    let device = Loop::new(&image);
    let path = Path::new(&device.0);
    let name = path.file_name().unwrap().to_str().unwrap();
    for said in [None, Some("another")] {
        let refused = Target::open(path, said, 0).unwrap_err();
        assert!(fs::read(&image).unwrap() == before, "what was refused was written");
        assert!(matches!(refused, DiskError::Serial { .. }), "{refused}");
        assert!(refused.hint().contains(&format!("--serial {name}")), "{}", refused.hint());
    }
    let mount = Mount::new(&device.0, &dir.path().join("mnt"));
    let refused = Target::open(path, Some(name), 0).unwrap_err();
    assert!(matches!(refused, DiskError::Busy(_)), "{refused}");
    drop(mount);
    let target = Target::open(path, Some(name), 0).unwrap();
    assert_eq!(
        (target.disk().bytes, target.disk().sector, target.is_device()),
        (32 << 20, 512, true)
    );
    drop(target);

    // A loop on it claims nothing: O_EXCL, which was all that was asked, let it be overwritten.
    let settled = fs::read(&image).unwrap();
    let above = Loop::new(path);
    let refused = Target::open(path, Some(name), 0).unwrap_err();
    assert!(matches!(refused, DiskError::Busy(_)), "{refused}");
    drop(above);
    assert!(fs::read(&image).unwrap() == settled, "what was refused was written");
    run(&["mkswap", &device.0]);
    let swap = fs::read(&image).unwrap();
    run(&["swapon", &device.0]);
    let refused = Target::open(path, Some(name), 0);
    run(&["swapoff", &device.0]);
    assert!(matches!(refused, Err(DiskError::Busy(_))), "{refused:?}");
    drop(Target::open(path, Some(name), 0).expect("free again"));
    drop(device);
    assert!(fs::read(&image).unwrap() == swap, "what was refused was written");
}

/// `--disk /dev/sdx` without such a disk was made as a file among the devices, in memory, and called a success.
#[test]
fn a_disk_that_is_not_there_is_not_made_as_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("devices");
    symlink("/dev", &link).unwrap();
    let cases = [
        (Path::new("/dev/minos-not-there").to_owned(), None),
        (Path::new("/dev/minos-not-there").to_owned(), Some("S3Z8NB0K")),
        (Path::new("/dev/minos-no-folder/by-id").to_owned(), None),
        (link.join("minos-not-there"), None),
        (dir.path().join("image"), Some("S3Z8NB0K")),
    ];
    for (path, serial) in cases {
        let refused = Target::open(&path, serial, 1 << 20).unwrap_err();
        assert_eq!(refused.to_string(), format!("'{}' is not there", path.display()));
        assert!(refused.hint().contains("lsblk") && refused.hint().contains("--serial"));
        assert!(!path.exists());
    }
    drop(Target::open(&dir.path().join("image"), None, 1 << 20).unwrap());
}

/// A partition is none of ours to put a table on, whatever it is confirmed by.
#[test]
fn a_partition_is_no_disk() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    let file = File::create_new(&image).unwrap();
    file.set_len(32 << 20).unwrap();
    let parts = [Part { kind: Kind::Linux, name: "one", bytes: 8 << 20 }];
    let disk = table::Disk { file: &file, path: &image, bytes: 32 << 20, sector: 512 };
    table::create(disk, &parts, b"").unwrap();
    let device = Loop::new(&image);
    run(&["partx", "--add", &device.0]);
    let name = device.0.rsplit('/').next().unwrap();
    let number = fs::read_to_string(format!("/sys/class/block/{name}p1/dev")).unwrap();
    let (major, minor) = number.trim().split_once(':').unwrap();
    let node = dir.path().join("partition");
    run(&["mknod", node.to_str().unwrap(), "b", major, minor]);
    let refused = Target::open(&node, Some(&format!("{name}p1")), 0).unwrap_err();
    run(&["partx", "--delete", &device.0]);
    assert!(matches!(refused, DiskError::NoDisk { what: "a partition", .. }), "{refused}");
}

/// A file that was made meanwhile is left alone, and of the new one nothing stays.
#[test]
fn a_name_that_is_taken_meanwhile_is_left_to_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("image");
    let target = Target::open(&image, None, 1 << 20).unwrap();
    fs::write(&image, "somebody's work").unwrap();
    assert!(matches!(target.finish(), Err(DiskError::Exists(_))));
    assert_eq!(fs::read(&image).unwrap(), b"somebody's work");
    drop(Target::open(&dir.path().join("another"), None, 1 << 20).unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing stays of what was given up");
}

/// Whether this process has `CAP_SYS_RESOURCE`, which ext4 asks for.
fn may_resize() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap() >> 24 & 1 == 1
}

/// A file system without a partition table grows with its device, while it is mounted and used.
#[test]
fn a_mounted_file_system_grows_with_its_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (image, empty) = (dir.path().join("image"), dir.path().join("empty"));
    let file = File::create_new(&image).unwrap();
    file.set_len(ext4::MINIMUM).unwrap();
    fs::create_dir(&empty).unwrap();
    let whole = Extent { offset: 0, bytes: ext4::MINIMUM };
    ext4::populate(&image, whole, &empty).unwrap();
    let device = Loop::new(&image);
    let mount = Mount::new(&device.0, &dir.path().join("mnt"));
    assert_eq!(grow(&mount.0).unwrap(), None, "there is no room");
    file.set_len(200 << 20).unwrap();
    run(&["losetup", "-c", &device.0]);
    let grown = match grow(&mount.0) {
        // A container's root may not: then the refusal is all there is to see, and the machine's own test has the rest.
        Err(DiskError::Io { source, .. }) if !may_resize() => {
            assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied);
            return;
        }
        done => done.unwrap().expect("room"),
    };
    assert_eq!((grown.before, grown.after), (64 << 20, 200 << 20));
    fs::write(mount.0.join("large"), vec![1; 120 << 20]).unwrap();
    assert_eq!(grow(&mount.0).unwrap(), None);
    drop((mount, device));
    run(&["e2fsck", "-f", "-n", image.to_str().unwrap()]);
}
