//! A disk made of a generation: what other tools say of it, and what a pkgd finds on it.
#![cfg(feature = "system")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use minos_model::JobState;
use minos_proto::{BootNext, ErrorKind, Field, ImageWish, PackageRequest};
use minos_tests::packages::{ask, change, column, install, installed, verify};
use minos_tests::{Daemon, Recipes, Root};

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
    fs::write(&efi, b"MZ is how a kernel starts").unwrap();
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
    fs::write(&efi, b"MZ").unwrap();
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
        (ImageWish { disk: "/nowhere/x".into(), ..wish.clone() }, ErrorKind::State, "'/nowhere/x'"),
    ];
    for (wish, kind, words) in cases {
        let refused = ask(&mut daemon, PackageRequest::Image(wish)).unwrap_err();
        assert_eq!(refused.kind, kind, "{refused}");
        assert!(refused.what.contains(words) && !refused.hint.is_empty(), "{refused}");
        assert!(!disk.exists() && !root.path().join("scratch/image").exists(), "{refused}");
    }
}
