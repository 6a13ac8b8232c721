//! The bare hardware disk: the same bytes twice, and what an independent reader finds on it.
//!
//! Needs the packages systemd-boot-efi, mtools, e2fsprogs and gdisk; fails without.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use minos_image::cache::Cache;
use minos_image::disk::{self, Efi, Request};
use minos_image::progress::Silent;
use minos_image::{Error, Layout, digest};

const STATE: u64 = 64 << 20;

fn request(dir: &Path, force: bool) -> Request {
    let file = |name: &str, bytes: usize| {
        let path = dir.join(name);
        fs::write(&path, name.repeat(bytes / name.len())).unwrap();
        path
    };
    let efi = Efi {
        kernel: file("kernel", 300_000),
        initramfs: file("initramfs", 200_000),
        cmdline: "console=ttyS0 minos.test=1".to_owned(),
        stub: None,
    };
    let sources = Some(file("sources", 1_000_000));
    Request { efi, seed: file("seed", 3_000_001), sources, state_bytes: STATE, force }
}

fn layout(dir: &Path) -> Layout {
    Layout::new(dir.to_path_buf(), dir.join("out"), Cache::new(dir.join("cache")))
}

fn make(dir: &Path, force: bool) -> minos_image::Result<String> {
    fs::create_dir_all(dir.join("out")).unwrap();
    let made = disk::make(&layout(dir), &request(dir, force), &Silent)?;
    digest::of_file(&made[1].path)
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).env("MTOOLS_SKIP_CHECK", "1").output();
    let output = output.unwrap_or_else(|why| panic!("this test needs {program}: {why}"));
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn twice_the_same_bytes_in_any_folder_and_a_disk_that_is_there_is_kept() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = make(one.path(), false).unwrap();
    assert!(matches!(make(one.path(), false), Err(Error::Exists { .. })));
    // FAT counts time in steps of two seconds.
    sleep(Duration::from_millis(2100));
    assert_eq!(first, make(one.path(), true).unwrap());
    assert_eq!(first, make(two.path(), false).unwrap());
}

#[test]
fn gdisk_mtools_and_e2fsck_agree_with_us() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), false).unwrap();
    let disk = dir.path().join("out/disk.img");
    let disk = disk.to_str().unwrap();

    assert!(output("sgdisk", &["--verify", disk]).contains("No problems found"));
    let table = output("sgdisk", &["--print", disk]);
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|row: &Vec<&str>| row.first().is_some_and(|f| f.parse::<u32>().is_ok()))
        .collect();
    let names: Vec<&str> = rows.iter().filter_map(|row| row.last().copied()).collect();
    assert_eq!(names, ["minos-esp", "minos-seed", "minos-sources", "minos-state"], "{table}");

    // The seed's bytes are where the table says.
    let offset = |row: usize| rows[row][1].parse::<usize>().unwrap() * 512;
    let bytes = fs::read(disk).unwrap();
    let seed = fs::read(dir.path().join("seed")).unwrap();
    assert_eq!(&bytes[offset(1)..offset(1) + seed.len()], seed);

    // The firmware's path leads to the unified image.
    let esp = format!("{disk}@@{}", offset(0));
    let copy = dir.path().join("copy.efi");
    output("mcopy", &["-i", &esp, "::EFI/BOOT/BOOTX64.EFI", copy.to_str().unwrap()]);
    assert_eq!(fs::read(&copy).unwrap(), fs::read(dir.path().join("out/minos.efi")).unwrap());

    // The state is a clean ext4.
    let state = dir.path().join("state");
    fs::write(&state, &bytes[offset(3)..offset(3) + STATE as usize]).unwrap();
    output("/usr/sbin/e2fsck", &["-f", "-n", state.to_str().unwrap()]);
}

#[test]
fn the_unified_image_carries_kernel_initramfs_and_command_line() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), false).unwrap();
    let efi = dir.path().join("out/minos.efi");
    for (section, content) in [
        (".linux", fs::read(dir.path().join("kernel")).unwrap()),
        (".initrd", fs::read(dir.path().join("initramfs")).unwrap()),
        // With the first word the kernel takes the second copy of a partition table.
        (".cmdline", b"gpt console=ttyS0 minos.test=1".to_vec()),
    ] {
        let to = dir.path().join("section");
        let dump = format!("{section}={}", to.display());
        output(
            "objcopy",
            &["-O", "binary", "--dump-section", &dump, efi.to_str().unwrap(), "/dev/null"],
        );
        let got = fs::read(&to).unwrap();
        // PE sections may be padded to the file alignment.
        assert_eq!(got[..content.len()], content, "{section}");
        assert!(got[content.len()..].iter().all(|b| *b == 0), "{section}");
    }
}
