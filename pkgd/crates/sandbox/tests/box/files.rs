//! Files: nothing but the uppers is ever written.

use crate::Test;
use crate::rig::{Rig, snapshot};
use minos_sandbox::{Bind, Upper};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

pub const TESTS: &[Test] = &[
    ("files_outside_the_writable_set_cannot_be_changed", unwritable),
    ("an_install_phase_changes_nothing_outside_its_prefix", outside_prefix),
    ("a_layer_is_not_written_through_any_alias", aliases),
    ("an_input_edited_in_place_leaves_the_store_as_it_was", edited_input),
    ("changes_land_in_the_upper_with_their_owners", owners),
    ("moves_and_links_work_below_the_prefix", moves),
    ("only_declared_inputs_are_visible", visible),
    ("set_user_id_files_are_inert_inside_and_seen_by_the_walk", set_user_id),
    ("attributes_of_overlayfs_cannot_be_forged", forged),
    ("what_is_opened_is_noted_and_nothing_else", observed),
];

/// A rig with an input that everybody could write, were it not for the mount.
fn with_input() -> Rig {
    let mut rig = Rig::new();
    let source = rig.dir().join("input");
    fs::write(&source, "input\n").unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o666)).unwrap();
    rig.spec.binds = vec![Bind { source, target: "/src/input".into() }];
    rig
}

fn unwritable() {
    let mut rig = with_input();
    let before = (snapshot(&rig.layer()), snapshot(&rig.dir().join("input")));
    rig.attack("files");
    let after = (snapshot(&rig.layer()), snapshot(&rig.dir().join("input")));
    assert_eq!(before, after);
}

/// Landlock would let chmod, chown, utimes and setxattr through, and the overlay would put the changed
/// file into the package.
fn outside_prefix() {
    let mut rig = with_input();
    rig.spec.upper = Some(Upper { dir: PathBuf::new() });
    rig.spec.writable = vec!["/lfs".into()];
    rig.attack("files");
    rig.shell("set -e; mkdir /lfs/d; chown 3:4 /lfs/d; chmod 755 /lfs").expect_success();
    let upper = rig.spec.upper.as_ref().unwrap().tree();
    let names: Vec<_> = fs::read_dir(upper).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["lfs"]);
}

/// Every change there is, by every name that a file of a layer has in the box, where all of `/` may be
/// written. The layer itself stays: what changes is a copy in the upper.
fn aliases() {
    let mut rig = Rig::installing("/");
    let before = snapshot(&rig.layer());
    let outcome = rig.shell(
        "exec 2>&1; cd /build
        for root in '' /proc/self/root /proc/1/root /proc/self/cwd/.. /proc/self/task/1/root \
            /build/.. /dev/fd/../root /proc/self/fd/../root; do
          for f in $root/canary $root/sub/dir/file; do
            echo x >> $f; sed -i s/c/d/ $f; chmod 4777 $f; chown 5:5 $f; touch -d @0 $f
            dd if=/dev/zero of=$f bs=1 count=1 conv=notrunc; truncate -s 9 $f
            ln $f $f.link; echo x >> $f.link; mv $f $f.moved; rm $f.moved
          done
          rm -rf $root/sub; mkdir $root/sub; mv $root/bin/sleep $root/sleep
        done
        ls /dev; cat /proc/self/mountinfo; echo end",
    );
    assert!(outcome.text.ends_with("end\n"), "{}", outcome.text);
    assert_eq!(before, snapshot(&rig.layer()));
    let upper = rig.spec.upper.as_ref().unwrap().tree();
    assert!(upper.join("sub").exists(), "nothing was changed at all:\n{}", outcome.text);
}

fn edited_input() {
    let mut rig = with_input();
    let before = snapshot(&rig.dir().join("input"));
    let text = rig.shell("sed -i s/i/x/ /src/input; echo x >> /src/input; cat /src/input").text;
    assert!(text.ends_with("input\n"), "{text}");
    assert_eq!(before, snapshot(&rig.dir().join("input")));
}

fn owners() {
    use std::os::unix::fs::MetadataExt;
    let mut rig = Rig::installing("/");
    chown(rig.layer().join("canary"), Some(7), Some(8)).unwrap();
    let text = rig
        .shell("stat -c %u:%g /canary; echo x >> /canary; touch /new; chown 5:6 /new; rm -r /sub")
        .expect_success();
    assert_eq!(text, "7:8\n");
    let upper = rig.spec.upper.as_ref().unwrap().tree();
    let owner = |name: &str| {
        let meta = upper.join(name).symlink_metadata().unwrap();
        (meta.uid(), meta.gid())
    };
    assert_eq!((owner("new"), owner("canary"), owner("sub")), ((5, 6), (7, 8), (0, 0)));
    let whiteout = upper.join("sub").symlink_metadata().unwrap();
    assert_eq!((whiteout.mode() & libc::S_IFMT, whiteout.rdev()), (libc::S_IFCHR, 0));
}

/// With Landlock before ABI 2 every one of these failed with EXDEV.
fn moves() {
    let mut rig = Rig::installing("/lfs");
    let script = "set -e; mkdir -p /lfs/a /lfs/b; echo x > /lfs/a/f; ln /lfs/a/f /lfs/b/g
        mv /lfs/a/f /lfs/b/f; echo y > /build/h; mv /build/h /lfs/b/h; mkfifo /lfs/b/p
        mv /lfs/b /lfs/a/b; ln -s f /lfs/a/b/l; ls /lfs/a/b";
    assert_eq!(rig.shell(script).expect_success(), "f\ng\nh\nl\np\n");
    let outside = rig.shell("echo x > /outside").text;
    assert!(outside.contains("Read-only"), "{outside}");
    let upper = rig.spec.upper.as_ref().unwrap().tree();
    assert!(!upper.join("outside").exists());
}

/// A recipe that needs a header of the host must not find it.
fn visible() {
    let mut rig = with_input();
    let text = rig.shell("ls /; cd /; find /src /usr /etc /home /root /var").text;
    let (own, missing): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| !line.contains("No such file"));
    assert_eq!(own.join(" "), "bin build canary dev proc run src sub sys tmp /src /src/input");
    assert_eq!(missing.len(), 5, "{text}");
}

fn set_user_id() {
    use minos_sandbox::tree::Dir;
    let mut rig = Rig::new();
    let script = "set -e; umask 0; mkdir d; attack set-ids d; cp /bin/attack suid; chmod 4755 suid
        tar -cf t -C d chmod; mkdir x; tar -xpf t -C x; attack become 1000 attack /build/suid euid";
    assert_eq!(rig.shell(script).expect_success(), "1000\n");
    let dir = Dir::open(&rig.spec.build.upper.tree()).unwrap();
    let mode = |dir: &Dir, name: &str| dir.stat(name.as_ref()).unwrap().mode;
    let (d, x) = (dir.open_dir("d").unwrap(), dir.open_dir("x").unwrap());
    let modes = ["chmod", "open", "fchmodat2", "setgid"].map(|name| mode(&d, name));
    assert_eq!(modes, [0o4755, 0o4755, 0o6755, 0o2777]);
    assert_eq!(mode(&x, "chmod"), 0o4755);
}

/// The file system that holds the upper must not get what the box wrote under overlayfs's own names. The
/// directory is an older phase's: of a new one overlayfs itself may write down that it is (decision 5).
fn forged() {
    use minos_sandbox::tree::Dir;
    let mut rig = Rig::new();
    rig.shell("mkdir d").expect_success();
    rig.spec.build.layers = vec![rig.spec.build.upper.tree()];
    rig.shell("touch f; attack forge d; attack forge f; true").expect_success();
    let dir = Dir::open(&rig.spec.build.upper.tree()).unwrap();
    for file in ["d", "f"] {
        let names = dir.xattr_names(file.as_ref()).unwrap();
        for name in ["user.overlay.redirect", "user.overlay.opaque"] {
            assert!(!names.iter().any(|have| have == name), "{file}: {names:?}");
        }
    }
}

/// Through the overlay, around it, by a link, executed: each shows under the name it has in its layer.
fn observed() {
    let mut rig = with_input();
    let top = rig.dir().join("top");
    fs::create_dir_all(top.join("sub")).unwrap();
    fs::create_dir_all(top.join("alone")).unwrap();
    for file in ["sub/upper", "sub/unread", "alone/file", "alone/unread"] {
        fs::write(top.join(file), "x").unwrap();
    }
    std::os::unix::fs::symlink("upper", top.join("sub/link")).unwrap();
    rig.spec.layers.insert(0, top);
    rig.spec.plain = 2;
    let script = "cat /sub/link /sub/link /sub/dir/file /alone/file /src/input; ls /sub /alone; \
                  test -e /sub/unread; echo x > /build/own; cat /build/own /dev/null /absent";
    assert!(rig.shell(script).exit.opened.is_empty(), "nobody asked");
    rig.spec.observe = true;
    let outcome = rig.shell(script);
    let expected = ["/alone/file", "/bin/busybox", "/sub/dir/file", "/sub/upper"];
    assert_eq!(outcome.exit.opened, expected, "{}", outcome.text);
    // On a busy machine what was told last was read when the mounts had come off, and had half a name.
    for _ in 0..20 {
        let opened = rig.shell("exec cat /alone/file").exit.opened;
        assert_eq!(opened, ["/alone/file", "/bin/busybox"]);
    }
}
