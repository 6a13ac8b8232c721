//! A disk made of a generation: what other tools say of it, and what a pkgd finds on it.
#![cfg(feature = "system")]

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use minos_model::JobState;
use minos_proto::{BootNext, ErrorKind, Field, ImageWish, PackageRequest};
use minos_qemu::control::{Client, Timeouts};
use minos_tests::daemon::PATIENCE;
use minos_tests::disk::Disk;
use minos_tests::packages::{ask, change, column, install, installed, verify};
use minos_tests::{Daemon, Recipes, Root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Where the state starts: behind the table and the smallest EFI system partition.
const STATE: u64 = 65 << 20;

fn run(words: &[&str]) -> String {
    let done = Command::new(words[0]).args(&words[1..]).output().expect(words[0]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{words:?}: {said}{}", String::from_utf8_lossy(&done.stderr));
    said
}

/// The state of a disk image, mounted; gone when dropped.
struct State(PathBuf);

impl State {
    fn mount(disk: &Path, at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let options = format!("loop,offset={STATE}");
        run(&["mount", "-o", &options, disk.to_str().unwrap(), at.to_str().unwrap()]);
        Self(at.to_owned())
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn system(recipes: &mut Recipes) {
    let script = "mkdir -p /etc /usr/share/tool\necho port = 1 > /etc/tool.conf\n\
                  for n in 1 2 3; do echo $n > /usr/share/tool/$n; done\n\
                  ln /usr/share/tool/1 /usr/share/tool/one\n";
    let table = "[package]\nconfig = [\"/etc/tool.conf\"]\n[[package.group]]\nname = \"tool\"\n\
                 [[package.user]]\nname = \"tool\"\ngroup = \"tool\"\n";
    recipes.step_with("tool", &[], &[("install", script)], table);
    recipes.step("later", &[], &[]);
}

fn pack(daemon: &mut Daemon, names: &[&str]) {
    for name in names {
        assert_eq!(daemon.build(name).state, JobState::Done, "{name}");
    }
    let targets = names.iter().map(ToString::to_string).collect();
    ask(daemon, PackageRequest::Pack { targets }).expect("packed");
}

/// The headers by which firmware takes a program for one of its own, and nothing to run.
fn kernel() -> Vec<u8> {
    let mut bytes = vec![0; 0x100];
    let fields: [(usize, &[u8]); 5] = [
        (0, b"MZ"),
        (0x3c, &0x80u32.to_le_bytes()),
        (0x80, b"PE\0\0"),
        (0x84, &0x8664u16.to_le_bytes()),
        (0xdc, &10u16.to_le_bytes()),
    ];
    for (at, value) in fields {
        bytes[at..at + value.len()].copy_from_slice(value);
    }
    bytes
}

/// The disk has the table, the kernel and a state with exactly that generation: its files, edits and accounts, but
/// none of the machine's secrets. Its own pkgd takes it, and its init is asked to try it.
#[test]
fn a_disk_has_one_generation_and_boots_it() {
    let mut recipes = Recipes::new();
    system(&mut recipes);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["tool", "later"]);
    change(&mut daemon, install(&["tool"]));
    let conf = root.path().join("roots/1/etc/tool.conf");
    fs::write(&conf, "port = 2\n").unwrap();
    change(&mut daemon, install(&["later"]));

    let out = tempfile::tempdir().unwrap();
    let (disk, efi) = (out.path().join("disk.img"), out.path().join("minos.efi"));
    fs::write(&efi, kernel()).unwrap();
    let wish = |disk: &Path| ImageWish {
        generation: 2,
        disk: disk.display().to_string(),
        efi: Some(efi.display().to_string()),
        ..ImageWish::default()
    };
    let made = ask(&mut daemon, PackageRequest::Image(wish(&disk))).expect("made");
    let bytes = fs::metadata(&disk).unwrap().len();
    assert_eq!(made.find("size"), Some(&Field::Bytes(bytes)));
    assert!(!root.path().join("scratch/image").exists(), "nothing is left behind");

    assert!(run(&["sgdisk", "-v", disk.to_str().unwrap()]).contains("No problems found"));
    let esp = format!("{}@@{}", disk.display(), 1 << 20);
    let kernel = out.path().join("kernel");
    run(&["mcopy", "-i", &esp, "::EFI/BOOT/BOOTX64.EFI", kernel.to_str().unwrap()]);
    assert_eq!(fs::read(kernel).unwrap(), fs::read(&efi).unwrap());

    let state = State::mount(&disk, &out.path().join("mnt"));
    let next = BootNext::decode(&fs::read(state.0.join("boot/next")).unwrap()).expect("a wish");
    assert_eq!((next.generation, next.proven, next.tries), (2, false, 3));
    let keys = fs::read_dir(state.0.join("keys")).unwrap().flatten();
    let keys: Vec<_> = keys.map(|e| e.file_name().into_string().unwrap()).collect();
    assert!(!keys.is_empty() && keys.iter().all(|name| name.ends_with(".pub")), "{keys:?}");
    let read = |path: &str| fs::read_to_string(state.0.join("roots/2").join(path)).unwrap();
    assert_eq!(read("etc/tool.conf"), "port = 2\n", "edits come along");
    assert!(read("etc/passwd").starts_with("tool:x:"), "so do accounts");
    {
        let installed_root = Root::at(&state.0, recipes.path());
        let mut there = installed_root.start();
        assert_eq!(installed(&mut there), ["later 1.0-1", "tool 1.0-1"]);
        let list = ask(&mut there, PackageRequest::Generations).unwrap();
        assert_eq!(column(&list, "generations", "generation"), ["2"]);
        let found = verify(&mut there, false);
        assert!(!found.alarm, "{found:?}");
        there.kill();
    }
    drop(state);

    let again = ask(&mut daemon, PackageRequest::Image(wish(&disk))).unwrap_err();
    assert_eq!(again.kind, ErrorKind::Conflict, "what is there is left alone: {again}");
    assert_eq!(fs::metadata(&disk).unwrap().len(), bytes);
}

/// What cannot become a disk is refused in words, and leaves nothing behind.
#[test]
fn what_cannot_be_made_into_a_disk_is_refused() {
    let mut recipes = Recipes::new();
    system(&mut recipes);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["tool"]);
    change(&mut daemon, install(&["tool"]));
    let out = tempfile::tempdir().unwrap();
    let (disk, efi) = (out.path().join("disk.img"), out.path().join("minos.efi"));
    fs::write(&efi, kernel()).unwrap();
    let wish = ImageWish {
        generation: 1,
        disk: disk.display().to_string(),
        efi: Some(efi.display().to_string()),
        ..ImageWish::default()
    };
    let cases = [
        (ImageWish { efi: None, ..wish.clone() }, ErrorKind::NotFound, "there is no kernel at"),
        (ImageWish { generation: 7, ..wish.clone() }, ErrorKind::NotFound, "no generation 7"),
        (ImageWish { disk: "disk.img".into(), ..wish.clone() }, ErrorKind::Invalid, "no absolute"),
        (ImageWish { bytes: 100 << 20, ..wish.clone() }, ErrorKind::Invalid, "are needed"),
        (ImageWish { disk: "/".into(), ..wish.clone() }, ErrorKind::Invalid, "neither a file nor"),
        (
            ImageWish { disk: "/nowhere/x".into(), ..wish.clone() },
            ErrorKind::NotFound,
            "'/nowhere/x'",
        ),
        (
            ImageWish { bytes: 1 << 63, ..wish.clone() },
            ErrorKind::Invalid,
            "cannot set the size of",
        ),
        (
            ImageWish { efi: Some("/etc/passwd".into()), ..wish.clone() },
            ErrorKind::Invalid,
            "'/etc/passwd' is no program that firmware starts",
        ),
    ];
    for (wish, kind, words) in cases {
        let refused = ask(&mut daemon, PackageRequest::Image(wish)).unwrap_err();
        assert_eq!(refused.kind, kind, "{refused}");
        assert!(refused.what.contains(words) && !refused.hint.is_empty(), "{refused}");
        assert!(!disk.exists() && !root.path().join("scratch/image").exists(), "{refused}");
    }
}

/// A loop device; let go of when dropped.
struct Loop(String);

impl Loop {
    fn new(file: &Path) -> Self {
        Self(run(&["losetup", "-f", "--show", file.to_str().unwrap()]).trim().to_owned())
    }

    /// By what it is confirmed.
    fn name(&self) -> String {
        self.0.trim_start_matches("/dev/").to_owned()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["-d", &self.0]).status();
    }
}

/// Room for the smallest system.
const DEVICE: u64 = 600 << 20;

/// A root with one generation, and what a kernel is to these tests.
fn one_generation(recipes: &mut Recipes, out: &Path) -> (Root, PathBuf) {
    system(recipes);
    let root = Root::new(recipes.path());
    let mut daemon = root.start();
    pack(&mut daemon, &["tool"]);
    change(&mut daemon, install(&["tool"]));
    let efi = out.join("minos.efi");
    fs::write(&efi, kernel()).unwrap();
    (root, efi)
}

fn to(disk: &Path, efi: &Path, serial: Option<String>) -> ImageWish {
    let (disk, efi) = (disk.display().to_string(), Some(efi.display().to_string()));
    ImageWish { generation: 1, disk, efi, serial, ..ImageWish::default() }
}

/// Asks for a disk from a pkgd whose `mke2fs` does nothing for ever, and kills it there.
fn killed_while_it_writes(root: &Root, recipes: &Recipes, out: &Path, wish: ImageWish) {
    let (tools, told) = (out.join("tools"), out.join("tools/number"));
    fs::create_dir_all(&tools).unwrap();
    let script =
        format!("#!/bin/sh\necho $$ > {0}.new; mv {0}.new {0}\nexec sleep 1000\n", told.display());
    fs::write(tools.join("mke2fs"), script).unwrap();
    fs::set_permissions(tools.join("mke2fs"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("PATH={}:{}", tools.display(), std::env::var("PATH").unwrap());
    let daemon = Root::at(root.path(), recipes.path()).under(["env", &path]).start();
    let mut client = Client::connect(daemon.socket(), "test", Timeouts::default()).unwrap();
    std::thread::scope(|scope| {
        let asked = scope.spawn(move || {
            client.call(&minos_proto::Request::Package(PackageRequest::Image(wish))).is_err()
        });
        let deadline = Instant::now() + PATIENCE;
        while !told.exists() {
            assert!(Instant::now() < deadline && !asked.is_finished(), "it comes to mke2fs");
            std::thread::sleep(Duration::from_millis(10));
        }
        daemon.kill();
        assert!(asked.join().unwrap(), "nobody answers any more");
    });
    let left = fs::read_to_string(&told).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(left), Signal::SIGKILL).unwrap();
    fs::remove_dir_all(tools).unwrap();
}

/// The table came first: a disk that was cut off in between booted into half a state, and a half file stood in the way
/// of the next attempt. Killed there now, a device is empty and a file is not there; the next attempt starts anew.
#[test]
fn a_disk_that_was_not_finished_does_not_look_whole() {
    let (mut recipes, out) = (Recipes::new(), tempfile::tempdir().unwrap());
    let out = out.path();
    let (root, efi) = one_generation(&mut recipes, out);
    let backing = out.join("device");
    fs::File::create_new(&backing).unwrap().set_len(DEVICE).unwrap();
    // What was on it before is no longer there either, and was whole.
    run(&["sgdisk", "-n", "1:2048:+16M", backing.to_str().unwrap()]);
    let device = Loop::new(&backing);
    let (on_device, file) = (PathBuf::from(&device.0), out.join("disk.img"));
    let wishes = [to(&on_device, &efi, Some(device.name())), to(&file, &efi, None)];
    for wish in &wishes {
        killed_while_it_writes(&root, &recipes, out, wish.clone());
    }
    let opened = fs::File::open(&on_device).unwrap();
    for at in [0, DEVICE - (1 << 20)] {
        let mut bytes = vec![1; 1 << 20];
        opened.read_exact_at(&mut bytes, at).unwrap();
        assert!(bytes.iter().all(|b| *b == 0), "there is no table at {at}");
    }
    drop(opened);
    let names: Vec<_> = fs::read_dir(out).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(names.len(), 2, "the device's file and the kernel: {names:?}");

    let mut daemon = root.start();
    assert!(!root.path().join("scratch/image").exists(), "what was put together is swept");
    for wish in wishes {
        let disk = wish.disk.clone();
        ask(&mut daemon, PackageRequest::Image(wish)).expect("made");
        assert!(run(&["sgdisk", "-v", &disk]).contains("No problems found"), "{disk}");
    }
    drop(daemon);
    let state = State::mount(&file, &out.join("mnt"));
    assert!(state.0.join("roots/1/etc/tool.conf").exists());
}

/// A file system without room, and a disk that is too small: refused in words, and nothing is written or left.
#[test]
fn without_room_there_is_no_disk() {
    let (mut recipes, out) = (Recipes::new(), tempfile::tempdir().unwrap());
    let out = out.path();
    let (root, efi) = one_generation(&mut recipes, out);
    let mut daemon = root.start();
    let small = Disk::new(&out.join("small.img"), &out.join("small"), 8 << 20).unwrap();
    small.renew().unwrap();
    let mut ballast = fs::File::create_new(out.join("small/ballast")).unwrap();
    // Room for less than the tables of the EFI system partition.
    let written = std::io::copy(&mut std::io::repeat(1).take(1 << 30), &mut ballast).unwrap_err();
    assert_eq!(written.kind(), std::io::ErrorKind::StorageFull);
    ballast.set_len(ballast.metadata().unwrap().len() - (512 << 10)).unwrap();
    let before = fs::read_dir(out.join("small")).unwrap().count();
    let wish = to(&out.join("small/disk.img"), &efi, None);
    let full = ask(&mut daemon, PackageRequest::Image(wish)).unwrap_err();
    assert!(full.what.contains("No space left") && !full.hint.is_empty(), "{full}");
    assert_eq!(fs::read_dir(out.join("small")).unwrap().count(), before, "nothing is left");
    assert!(!root.path().join("scratch/image").exists());

    let backing = out.join("device");
    fs::write(&backing, vec![7; 100 << 20]).unwrap();
    let device = Loop::new(&backing);
    let wish = to(Path::new(&device.0), &efi, Some(device.name()));
    let short = ask(&mut daemon, PackageRequest::Image(wish)).unwrap_err();
    assert_eq!(short.kind, ErrorKind::Invalid, "{short}");
    assert!(short.what.contains("has 100 MiB"), "{short}");
    drop(device);
    assert!(fs::read(&backing).unwrap().iter().all(|b| *b == 7), "not a byte is written");
}
