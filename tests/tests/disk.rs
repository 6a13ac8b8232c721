//! State disks that are full, fill up, or cannot be written.
#![cfg(feature = "system")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use minos_model::{FailureClass, JobState, Phase};
use minos_proto::BuildOptions;
use minos_tests::{Recipes, Root, daemon, loops};

/// A small ext4 file system of its own, mounted below a temporary folder.
struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    fn new(mib: u64) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let image = dir.path().join("disk.img");
        fs::File::create(&image).and_then(|f| f.set_len(mib << 20)).expect("an image");
        run("mkfs.ext4", &["-q", "-m", "0"], &image);
        fs::create_dir(dir.path().join("mnt")).expect("a mount point");
        let disk = Self { dir };
        disk.mount("rw");
        disk
    }

    fn mount(&self, options: &str) {
        loops::mount(&self.image(), &self.path(), options);
    }

    fn unmount(&self) {
        loops::unmount(&self.image(), &self.path());
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("disk.img")
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("mnt")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-R", "-l"]).arg(self.path()).status();
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    let status = Command::new(program).args(arguments).arg(path).status();
    assert!(status.expect("it runs").success(), "{program} {}", path.display());
}

fn recipes() -> Recipes {
    let mut recipes = Recipes::new();
    recipes.step("big", &[], &[("build", "head -c 2G /dev/zero > big\n")]);
    recipes.step("good", &[], &[]);
    // All of it before pkgd looks at the disk again.
    let at_once =
        "for n in $(seq 20); do fallocate -l 20M $n || break; done\nhead -c 2G /dev/zero > big\n";
    recipes.step("sudden", &[], &[("build", at_once)]);
    let half = [("build", "head -c 120M /dev/zero > big\n")];
    recipes.step("first", &[], &half);
    recipes.step("second", &["first"], &half);
    recipes.step("third", &["second"], &half);
    recipes
}

/// What pkgd says when it does not start.
fn refusal(root: &Root) -> String {
    let mut process = root.command().spawn().expect("it starts");
    let status = process.wait().expect("it ends");
    let text = daemon::all_output(&mut process);
    assert!(!status.success(), "it should have refused: {text}");
    text
}

#[test]
fn a_step_that_fills_the_disk_is_stopped_and_leaves_it_usable() {
    let disk = Disk::new(300);
    let recipes = recipes();
    let root = Root::at(&disk.path().join("state"), recipes.path());
    let mut daemon = root.start();
    let outcome = daemon.build("demo/big");
    assert_eq!(outcome.failure("big").class, FailureClass::DiskFull, "{}", outcome.failure("big"));
    assert_eq!(daemon.build("demo/good").state, JobState::Done);
}

/// It was left as it was until the step was built again, and no other could be: seen where a disk was filled
/// faster than pkgd looked.
#[test]
fn what_fills_the_disk_at_once_goes_before_anything_else_is_built() {
    let disk = Disk::new(300);
    let recipes = recipes();
    let root = Root::at(&disk.path().join("state"), recipes.path());
    let mut daemon = root.start();
    let outcome = daemon.build("demo/sudden");
    let failure = outcome.failure("sudden");
    assert_eq!(failure.class, FailureClass::DiskFull, "{failure}");
    let after = daemon.build("demo/good");
    assert_eq!(after.state, JobState::Done, "{after:?}");
}

/// Their build trees were kept until the job was over.
#[test]
fn steps_of_a_job_follow_each_other_on_a_disk_for_one() {
    let disk = Disk::new(300);
    let recipes = recipes();
    let root = Root::at(&disk.path().join("state"), recipes.path());
    let outcome = root.start().build("demo/third");
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost() {
    let disk = Disk::new(100);
    let recipes = recipes();
    let root = Root::at(&disk.path().join("state"), recipes.path());
    assert_eq!(root.start().build("demo/good").state, JobState::Done);
    let ballast = disk.path().join("ballast");
    // dd ends with an error when nothing more fits: that is what is wanted.
    let _ = Command::new("dd")
        .args(["if=/dev/zero", "bs=4k", "status=none"])
        .arg(format!("of={}", ballast.display()))
        .stderr(std::process::Stdio::null())
        .status();
    // pkgd may still serve what it has; if it cannot, it says which disk and why.
    let mut process =
        root.command().args(["--build", "demo/big", "--then", "exit"]).spawn().expect("pkgd");
    let status = process.wait().expect("it ends");
    let text = daemon::all_output(&mut process);
    assert!(!status.success() && text.to_lowercase().contains("space"), "{text}");
    fs::remove_file(ballast).expect("the ballast");
    assert_eq!(
        root.start().build("demo/good").state,
        JobState::Done,
        "and the output is still there"
    );
}

#[test]
fn a_read_only_disk_is_refused_with_its_reason() {
    let disk = Disk::new(100);
    let recipes = recipes();
    let root = Root::at(&disk.path().join("state"), recipes.path());
    assert_eq!(root.start().build("demo/good").state, JobState::Done);
    disk.unmount();
    disk.mount("ro");
    let text = refusal(&root);
    assert!(text.to_lowercase().contains("read-only"), "{text}");
    disk.unmount();
    disk.mount("rw");
    assert_eq!(root.start().build("demo/good").state, JobState::Done);
}

/// What a disk that dies looks like to its file system: every write fails from now on (EXT4_IOC_SHUTDOWN).
fn die(mounted: &Path) {
    const SHUTDOWN: &str = "import fcntl, os, struct, sys\n\
         fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
    run("python3", &["-c", SHUTDOWN], mounted);
}

/// On the disk the job runs and its step runs, for ever. Those who waited for the job's end waited as long.
#[test]
fn a_disk_that_dies_in_a_build_costs_the_step_and_is_named() {
    let disk = Disk::new(300);
    let mut recipes = Recipes::new();
    recipes.step("slow", &[], &[("configure", "true\n"), ("build", "sleep 3\n")]);
    recipes.step("after", &["slow"], &[]);
    let root = Root::at(&disk.path().join("state"), recipes.path());
    let mut daemon = root.start();
    let job = daemon.begin("demo/after", BuildOptions::default());
    daemon.first_phase_of("slow");
    die(&disk.path());
    let outcome = daemon.wait(job);
    assert_eq!(outcome.state, JobState::Failed, "{outcome:?}");
    let failure = outcome.failure("slow");
    assert_eq!((failure.class, failure.phase), (FailureClass::State, Some(Phase::Build)));
    assert!(failure.what.contains(&*disk.path().to_string_lossy()), "{failure}");
    drop(daemon);
    // The next pkgd goes on from what the disk holds, as after a kill.
    disk.unmount();
    disk.mount("rw");
    let outcome = root.start().wait(job);
    assert_eq!(outcome.state, JobState::Done, "{outcome:?}");
}

#[test]
fn a_second_daemon_on_the_same_root_is_refused() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    let first = root.start();
    let text = refusal(&root);
    assert!(text.contains(&first.pid().to_string()), "the other's number is named: {text}");
}

/// Signals were blocked only after the seed was mounted: one that came before ended pkgd at once and left
/// the mount to nobody.
#[test]
fn a_stop_at_any_moment_of_the_start_leaves_no_mount() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    for delay in (0..400).step_by(25) {
        let mut process = root.command().spawn().expect("pkgd starts");
        std::thread::sleep(std::time::Duration::from_millis(delay));
        let pid = nix::unistd::Pid::from_raw(process.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("a signal");
        process.wait().expect("it ends");
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let own = root.path().join("run/seed");
        assert!(!mounts.contains(&*own.to_string_lossy()), "after {delay} ms: {mounts}");
    }
}

/// An unattended run ended before its trash was emptied, and with short runs it grew without end.
#[test]
fn an_unattended_run_leaves_no_trash() {
    let recipes = recipes();
    let root = Root::new(recipes.path());
    let mut process =
        root.command().args(["--build", "demo/good", "--then", "exit"]).spawn().expect("pkgd");
    assert!(process.wait().expect("it ends").success());
    assert_eq!(root.list("trash"), Vec::<String>::new());
}
