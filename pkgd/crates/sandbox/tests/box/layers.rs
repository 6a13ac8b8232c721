//! Roots of many layers, of other file systems, and phases on top of each other.

use crate::Test;
use crate::rig::{Rig, snapshot};
use minos_sandbox::{Bind, Error, MAX_LAYERS, spawn};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const TESTS: &[Test] = &[
    ("three_hundred_layers_make_a_root", many),
    ("the_upmost_layer_wins_and_deletions_hide", order),
    ("what_one_plain_layer_has_alone_goes_around_the_overlay", shortcuts),
    ("a_squashfs_image_is_a_layer", squashfs),
    ("a_phase_builds_on_the_ones_before", phases),
    ("a_directory_has_one_number", one_number),
    ("layers_with_odd_names_work", odd_names),
    ("a_bind_over_a_link_is_refused", bind_over_link),
    ("an_impossible_box_is_refused", impossible),
];

fn many() {
    let mut rig = Rig::new();
    for number in 0..300 {
        let layer = rig.dir().join(format!("outputs/{number}/tree"));
        fs::create_dir_all(layer.join("lib")).unwrap();
        fs::write(layer.join(format!("lib/{number}")), "").unwrap();
        rig.spec.layers.insert(0, layer);
    }
    let text = rig.shell("ls /lib").expect_success();
    assert_eq!(text.lines().count(), 300);
    rig.spec.upper = Some(minos_sandbox::Upper { dir: PathBuf::new() });
    rig.spec.writable = vec!["/".into()];
    assert_eq!(rig.shell("rm /lib/7; ls /lib").expect_success().lines().count(), 299);
}

fn order() {
    let mut rig = Rig::new();
    let make = |rig: &mut Rig, script: &str| {
        rig.spec.upper = Some(minos_sandbox::Upper { dir: PathBuf::new() });
        rig.spec.writable = vec!["/".into()];
        rig.shell(script).expect_success();
        let tree = rig.spec.upper.take().unwrap().tree();
        rig.spec.layers.insert(0, tree);
    };
    make(&mut rig, "echo one > /a; echo one > /b; mkdir /d; echo one > /d/one");
    make(&mut rig, "echo two > /a; rm /b; rm -r /d; mkdir /d; echo two > /d/two");
    let text = rig.shell("cat /a; ls /b /d").text;
    assert!(text.starts_with("two\n") && text.contains("two") && !text.contains("one"), "{text}");
    assert!(text.contains("/b: No such file"), "{text}");
}

/// Which top-level directories are mounts of their own, and not of the overlay.
const AROUND: &str = "while read -r id parent dev root at rest; do case $at:$rest in \
     /only:*overlay*|/both:*overlay*|/gone:*overlay*) ;; /only:*|/both:*|/gone:*) echo $at; esac; \
     done < /proc/self/mountinfo; cat /only/file /both/file; ls /gone /both; echo x > /only/new";

fn shortcuts() {
    let mut rig = Rig::new();
    for file in ["only/file", "both/file", "gone/file"] {
        let path = rig.layer().join(file);
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(path, "seed\n").unwrap();
    }
    rig.spec.upper = Some(minos_sandbox::Upper { dir: PathBuf::new() });
    rig.spec.writable = vec!["/".into()];
    // Nothing goes around an overlay that is written to.
    rig.shell("rm -r /gone; echo output > /both/file; echo x > /both/more").expect_success();
    let tree = rig.spec.upper.take().unwrap().tree();
    rig.spec.layers.insert(0, tree);
    rig.spec.writable.clear();
    let text = rig.shell(AROUND).text;
    assert!(text.starts_with("/only\nseed\noutput\n"), "{text}");
    assert!(text.contains("/gone: No such file") && text.contains("/both:\nfile\nmore"), "{text}");
    assert!(text.contains("/only/new: Read-only file system"), "{text}");
    rig.spec.plain = 0;
    assert!(rig.shell(AROUND).text.starts_with("seed\noutput\n"));
}

/// A file system image, mounted for as long as this lives.
struct Image(PathBuf);

impl Image {
    fn mount(image: &Path, at: PathBuf) -> Self {
        fs::create_dir(&at).unwrap();
        command(
            "mount",
            &["-o", "loop,ro", &image.display().to_string(), &at.display().to_string()],
        );
        Self(at)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        command("umount", &[&self.0.display().to_string()]);
    }
}

fn command(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("needs {program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

fn squashfs() {
    let mut rig = Rig::installing("/");
    let image = rig.dir().join("seed.squashfs");
    let (from, to) = (rig.layer().display().to_string(), image.display().to_string());
    command("mksquashfs", &[&from, &to, "-quiet", "-no-progress", "-all-root"]);
    let mounted = Image::mount(&image, rig.dir().join("seed"));
    rig.spec.layers = vec![mounted.0.clone()];
    let before = fs::read(&image).unwrap();
    let text = rig.shell("stat -c %u /canary; echo x >> /canary; cat /canary").expect_success();
    assert_eq!(text, "0\ncanary\nx\n");
    assert!(before == fs::read(&image).unwrap(), "the image has changed");
    // The box is over: nothing may keep the image busy.
    drop(mounted);
}

fn phases() {
    let mut rig = Rig::new();
    let mut done: Vec<PathBuf> = Vec::new();
    for script in ["echo 1 > a; echo 1 > b; mkdir d", "rm a; echo 2 >> b", "ls; cat b; rmdir d"] {
        rig.spec.build.layers = done.iter().rev().cloned().collect();
        let text = rig.shell(script).expect_success();
        done.push(rig.spec.build.upper.tree());
        assert!(text.is_empty() || text == "b\nd\n1\n2\n", "{text}");
    }
    let before = snapshot(&done[0]);
    // A phase that fails is discarded, and the next try starts from the same tree.
    rig.spec.build.layers = vec![done[0].clone()];
    rig.shell("rm -rf *; echo x > a; exit 1");
    assert_eq!(before, snapshot(&done[0]));
    assert_eq!(rig.shell("ls").expect_success(), "a\nb\nd\n");
}

/// The layers lie on more than one file system. Where the two numbers differed, gawk's suite failed, and a shell
/// did not find out where it was.
fn one_number() {
    let mut rig = Rig::new();
    fs::create_dir_all(rig.layer().join("both/seed")).unwrap();
    let over = rig.dir().join("over");
    fs::create_dir_all(over.join("both/over")).unwrap();
    rig.spec.layers.insert(0, over);
    rig.shell("mkdir -p a/b c").expect_success();
    rig.spec.build.layers = vec![rig.spec.build.upper.tree()];
    let text = rig.shell("mkdir new a/new; attack numbers . a / /both").expect_success();
    assert_eq!(text, "");
}

/// Colons, commas and backslashes separated layers in the mount options of old.
fn odd_names() {
    let mut rig = Rig::new();
    for name in ["a:b", "c,d", "e\\f", "g h", "i=j"] {
        let layer = rig.dir().join(name);
        fs::create_dir(&layer).unwrap();
        fs::write(layer.join("odd"), name).unwrap();
        rig.spec.layers.insert(0, layer);
    }
    assert_eq!(rig.shell("cat /odd").expect_success(), "i=j");
}

fn bind_over_link() {
    let mut rig = Rig::new();
    std::os::unix::fs::symlink("/etc", rig.layer().join("link")).unwrap();
    rig.spec.binds = vec![Bind { source: rig.layer(), target: "/link/x".into() }];
    rig.spec.argv = vec!["/bin/true".into()];
    rig.spec.build.upper.dir = rig.private("b");
    let (_reader, writer) = std::io::pipe().unwrap();
    let error = spawn(&rig.spec, writer.into()).unwrap_err();
    assert!(matches!(error, Error::Setup(_)), "{error}");
    assert!(error.to_string().contains("/link/x"), "{error}");
}

fn impossible() {
    let refused = |change: &dyn Fn(&mut Rig), field: &str| {
        let mut rig = Rig::new();
        rig.spec.argv = vec!["/bin/true".into()];
        rig.spec.build.upper.dir = rig.private("b");
        change(&mut rig);
        let (_reader, writer) = std::io::pipe().unwrap();
        match spawn(&rig.spec, writer.into()) {
            Err(Error::Spec { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{field}: {other:?}"),
        }
    };
    let bind = |target: &str| Bind { source: "/etc".into(), target: target.into() };
    refused(&|rig| rig.spec.layers.clear(), "layers");
    refused(&|rig| rig.spec.layers.push("/nowhere".into()), "layers");
    refused(&|rig| rig.spec.layers = vec![rig.layer(); MAX_LAYERS + 1], "layers");
    refused(&|rig| rig.spec.ids.first = 0, "ids");
    refused(&|rig| rig.spec.ids.count = u32::MAX, "ids");
    refused(&|rig| rig.spec.argv.clear(), "argv");
    refused(&|rig| rig.spec.cwd = "/build/../etc".into(), "cwd");
    refused(&|rig| rig.spec.writable = vec!["lfs".into()], "writable");
    refused(&|rig| rig.spec.binds = vec![bind("/proc/sys")], "binds.target");
    refused(&|rig| rig.spec.binds = vec![bind("/dev")], "binds.target");
    refused(&|rig| rig.spec.binds = vec![bind("/a"), bind("/a/b")], "binds.target");
    refused(&|rig| rig.spec.hostname.clear(), "hostname");
}
