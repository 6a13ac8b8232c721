//! The scripts by which `qemu/up --target lfs/all` goes from a build to a disk, on a tree whose LFS is three small steps.
#![cfg(feature = "system")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use minos_tests::artefacts;

/// Name, what it installs, and more for its recipe.
const STEPS: [(&str, &str, &str); 3] = [
    ("linux", "mkdir -p /lfs/boot\necho kernel > /lfs/boot/vmlinuz-1\n", ""),
    // As `make install` of some libraries does it.
    ("base", "mkdir -p /lfs/etc\necho mine > /lfs/etc/own\n: > /lfs/etc/ld.so.cache\n", ""),
    (
        "lfs-system",
        "mkdir -p /lfs/usr/share\n: > /lfs/usr/share/whole\n",
        "[package]\ndepends = [\"base\", \"linux\", \"minos\"]\n",
    ),
];

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

/// A tree with all that the scripts look for.
fn tree(top: &Path) {
    let recipes = top.join("pkgd/recipes");
    write(&recipes.join("sources.lock"), "schema = 1\n");
    for (order, (name, install, more)) in (1..).zip(STEPS) {
        let folder = recipes.join("temporary").join(name);
        let text = format!(
            "schema = 1\nname = \"{name}\"\nversion = \"1\"\nrelease = 1\nstage = \"temporary\"\norder = {order}\n\
             description = \"{name}\"\nlicense = \"MIT\"\n[deps]\nbuild = []\n[phases]\ninstall = \"install.sh\"\n\
             [needs]\nsbu = 0.0\ndisk_mb = 1\nram_mb = 1\n[group]\nnames = [\"system\"]\n{more}"
        );
        write(&folder.join("recipe.toml"), &text);
        write(&folder.join("install.sh"), install);
    }
    for folder in ["bin", "out/sources", "tests"] {
        fs::create_dir_all(top.join(folder)).expect("a folder");
    }
    for program in ["init", "pkgd", "pkgctl", "minos-image"] {
        symlink(artefacts::binary(program), top.join("bin").join(program)).expect("a link");
    }
    for part in ["tests/lib", "kernel-config"] {
        symlink(artefacts::top().join(part), top.join(part)).expect("a link");
    }
    symlink(artefacts::seed(), top.join("out/seed")).expect("a link");
}

fn script(top: &Path, words: &[&str]) {
    let (status, said) = run(top, words);
    assert_eq!(status, Some(0), "{words:?}: {said}");
}

fn run(top: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("bash");
    let ran = command.args(words).current_dir(top).output().expect("bash");
    let said = [&ran.stdout, &ran.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (ran.status.code(), said.join("\n"))
}

/// Twice: what is there already is made anew, and what was packed in a newer version since is taken.
#[test]
fn what_was_built_becomes_a_disk_and_does_so_again() {
    artefacts::must_be_root();
    let dir = tempfile::tempdir().expect("a folder");
    let (top, state) = (dir.path(), dir.path().join("state"));
    tree(top);
    let state_text = state.to_str().expect("text");
    for version in ["1", "2"] {
        let path = top.join("pkgd/recipes/temporary/base/recipe.toml");
        let text = fs::read_to_string(&path).expect("the recipe");
        write(&path, &text.replace("version = \"1\"", &format!("version = \"{version}\"")));
        script(top, &["tests/lib/host-build", "bin", state_text, "lfs/all", "out/seed", "2"]);
        script(top, &["tests/lib/lfs-disk", "bin", state_text, "out/lfs.img"]);
        let current = state.join("current");
        assert_eq!(fs::read_to_string(current.join("etc/own")).expect("a file"), "mine\n");
        assert!(!current.join("etc/ld.so.cache").exists(), "nobody made one");
        let own = fs::read(current.join("usr/sbin/pkgd")).expect("our own program");
        assert_eq!(own.len() as u64, artefacts::binary("pkgd").metadata().expect("it").len());
        assert_eq!(fs::read_link(&current).expect("a link"), Path::new("roots").join(version));
    }
    assert!(top.join("out/lfs.img").exists());
    // All of this one was built with the seed: no disk is made of such a system.
    let (status, said) = run(top, &["tests/lib/lfs-contained", "bin", state_text]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("all of 'lfs/system' is built on the seed"), "{said}");
}
