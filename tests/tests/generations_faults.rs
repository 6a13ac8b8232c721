//! What befalls generations from outside: init that hangs, pkgd that goes, a full disk, two disks of one name,
//! power cuts in the middle of things.
#![cfg(feature = "vm")]

use std::fs;
use std::path::Path;
use std::process::Command;

use minos_model::JobState;
use minos_proto::bootplan::{Command as Words, Kind, What};
use minos_proto::{BootEvent, BootPhase, DatabaseTask, PackageRequest, Request, Standing};
use minos_qemu::control::{Client, Timeouts};
use minos_qemu::ending::Ending;
use minos_qemu::machine::Disk;
use minos_qemu::observe::Observation;
use minos_qemu::volatile::{CutAt, Survivors};
use minos_qemu::watch::Order;
use minos_tests::appliance::{Appliance, Run};
use minos_tests::disk::head;
use minos_tests::generation::{check, make, plan, service, wish};
use minos_tests::packages::{ask, change, install, text, verify};
use minos_tests::trials::{Bad, last_boot, record, standings, told, try_all, until, with};
use minos_tests::{Recipes, Root, artefacts};

/// Stops PID 1 for good, as a bug in it would: nothing of the machine looks at anything any more. A service alone
/// cannot hang init, so the freezer does.
const FREEZE: &str = "mkdir /sys/fs/cgroup/ice && echo 1 > /sys/fs/cgroup/ice/cgroup.procs && \
                      echo 1 > /sys/fs/cgroup/ice/cgroup.freeze; sleep 1000";

/// A program of the host that needs a loader, and a loader that is none.
fn dynamic(root: &Path) {
    fs::copy("/bin/true", root.join("bin/dynamic")).expect("a program");
    let loader = root.join("lib64/ld-linux-x86-64.so.2");
    fs::create_dir_all(loader.parent().expect("a folder")).expect("a folder");
    fs::write(&loader, vec![0x7f; 4096]).expect("a loader");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&loader, mode).expect("its mode");
}

/// Something ends what the generation lives by.
const LOST: [Bad; 3] = [
    (
        6,
        |state| {
            let mut hangs = with(check("never", What::ServiceUp(0), 240_000));
            hangs.services.push(service("never", Kind::Oneshot, FREEZE, 0)).expect("room");
            hangs.services[0].deadline_ms = 240_000;
            make(state, 6, &hangs);
        },
        "was cut off (power cut, watchdog or kernel crash) after phase \"",
    ),
    (
        7,
        |state| {
            let mut without = plan();
            let mut gone = service("pkgd", Kind::Daemon, "sleep 1; exit 1", 0);
            (gone.restart_limit, gone.notify) = (2, true);
            without.services.push(gone).expect("room");
            make(state, 7, &without);
        },
        "failed, a service ended too often: pkgd, 20",
    ),
    (
        8,
        |state| {
            let mut needs = with(check("dynamic", What::ServiceUp(0), 60_000));
            let mut program = service("dynamic", Kind::Oneshot, "true", 0);
            program.command = Words::new(["/bin/dynamic"]).expect("a command");
            needs.services.push(program).expect("room");
            dynamic(&make(state, 8, &needs));
        },
        "failed its check: dynamic, 20",
    ),
];

fn until_ready(appliance: &Appliance) -> Run {
    appliance.run(&mut |seen| match seen {
        Observation::Boot(BootEvent::Phase { phase: BootPhase::Ready, .. }) => Order::Kill,
        _ => Order::Continue,
    })
}

/// An init that hangs is seen by the watchdog alone.
#[test]
fn generations_that_hang_lose_pkgd_or_have_a_broken_loader_are_left_behind() {
    let mut appliance = Appliance::new();
    appliance.append("minos.watchdog=8");
    let before = try_all(&appliance, &LOST);
    let run = until_ready(&appliance);
    told(&run, before);
    assert!(last_boot(&run).ends_with("; now generation 0"), "{}", last_boot(&run));
}

/// A service that asks for a reboot once for each time that the host asks for it.
const AGAIN: &str =
    "test -e /state/again || exit 0; cat /bin/busybox > /dev/null; rm /state/again && kill -TERM 1";

/// The power goes while the proof is on its way to the disk. Whatever of it got there, the generation is not lost: it is
/// proven, or tried again. From then on neither cuts nor reboots count, however many there are.
#[test]
fn a_proof_is_whole_and_no_cut_or_reboot_counts_against_it() {
    let appliance = Appliance::new().state(|disk| Some(disk.volatile()));
    appliance.look("rw", |state| {
        let mut good = plan();
        good.services.push(service("again", Kind::Oneshot, AGAIN, 0)).expect("room");
        good.checks.insert(0, check("again", What::ServiceUp(0), 60_000)).expect("room");
        make(state, 5, &good);
        wish(state, 5, 3);
    });
    let run = appliance.run(&mut |seen| match seen {
        Observation::Boot(BootEvent::Log { text, .. }) if text.contains("check pkgd: passed") => {
            Order::CutPower(Survivors::Random(7))
        }
        _ => Order::Continue,
    });
    assert!(
        matches!(run.report.ending, Ending::PowerCut),
        "{}\n{}",
        run.report.ending,
        run.console
    );
    let left = record(&appliance);
    // What is proven needs no tries.
    let (fallback, tries) = if left.proven { (5, 0) } else { (0, 2) };
    assert_eq!((left.generation, left.fallback, left.tries_left), (5, fallback, tries), "{left:?}");
    if !left.proven {
        let run = until(&appliance, Standing::Passed);
        assert_eq!(standings(&run), [(5, Standing::Trial), (5, Standing::Passed)]);
    }
    let proven = record(&appliance);

    // One more than it ever had tries.
    for turn in 0..4 {
        let run = if turn % 2 == 0 {
            until(&appliance, Standing::Proven)
        } else {
            appliance.look("rw", |state| fs::write(state.join("again"), "").expect("asked for"));
            appliance.run_through()
        };
        assert_eq!(standings(&run), [(5, Standing::Proven)], "turn {turn}: {}", run.console);
        let ended =
            matches!(run.report.ending, Ending::PowerCut | Ending::Rebooted { announced: true });
        assert!(ended, "turn {turn}: {}", run.report.ending);
        let now = record(&appliance);
        let what = |r: &minos_proto::bootrec::Record| {
            (r.generation, r.proven, r.fallback, r.tries_left, r.failure)
        };
        assert_eq!(what(&now), what(&proven), "turn {turn}");
    }
}

/// Leaves no byte to anybody.
fn fill(state: &Path) {
    for block in ["1M", "4k", "1"] {
        let mut dd = Command::new("dd");
        dd.args(["if=/dev/zero", "status=none", "oflag=append", "conv=notrunc"]);
        dd.arg(format!("bs={block}")).arg(format!("of={}", state.join("ballast").display()));
        // It ends with an error when nothing more fits: that is what is wanted.
        let _ = dd.stderr(std::process::Stdio::null()).status();
    }
}

/// A disk that is full to the last byte: what was proven boots, a new generation is tried and proven, since neither
/// the record nor the state needs a byte more than it has.
#[test]
fn a_full_state_disk_boots_what_is_on_it() {
    let appliance = Appliance::new();
    appliance.look("rw", |state| {
        make(state, 5, &plan());
        make(state, 6, &plan());
        wish(state, 5, 3);
        // A machine that has been used: pkgd has its folders and its database.
        Root::at(state, &artefacts::recipes()).start().stop();
    });
    let run = until(&appliance, Standing::Passed);
    assert_eq!(standings(&run), [(5, Standing::Trial), (5, Standing::Passed)], "{}", run.console);
    appliance.look("rw", |state| {
        wish(state, 6, 1);
        fill(state);
    });
    let judged = appliance.run(&mut |seen| match seen {
        Observation::Boot(BootEvent::Generation {
            standing: Standing::Passed | Standing::Failed,
            ..
        }) => Order::Kill,
        _ => Order::Continue,
    });
    assert!(judged.says("the state disk is nearly full"), "{}", judged.console);
    assert_eq!(
        standings(&judged),
        [(6, Standing::Trial), (6, Standing::Passed)],
        "{}",
        judged.console
    );
    let run = until_ready(&appliance);
    assert_eq!(standings(&run), [(6, Standing::Proven)], "{}", run.console);
}

/// Two disks bear the label: which one is meant nobody knows. Neither is written to.
#[test]
fn of_two_state_disks_of_one_label_none_is_taken() {
    let appliance = Appliance::new().state(|mut disk| {
        disk.serial = "first".to_owned();
        Some(disk)
    });
    let copy = appliance.dir().join("copy.img");
    fs::File::create_new(&copy).and_then(|file| file.set_len(64 << 20)).expect("a disk");
    let made = Command::new("mkfs.ext4").args(["-q", "-L", "minos-state"]).arg(&copy).status();
    assert!(made.expect("it runs").success(), "a file system");
    let disks = [appliance.state_image().to_owned(), copy.clone()];
    let before = disks.each_ref().map(|disk| head(disk));
    let mut appliance = appliance.beside(Disk::new("second", &copy));
    appliance.append("minos.build=demo/zlib minos.then=poweroff");
    let run = appliance.run(&mut |seen| match seen {
        Observation::Boot(BootEvent::Phase { phase: BootPhase::Ready, .. }) => Order::Kill,
        Observation::Serial(bytes) if bytes.windows(7).any(|w| w == b"rescue>") => Order::Kill,
        _ => Order::Continue,
    });
    assert!(run.says("have the same ext4 label: take one out"), "{}", run.console);
    assert!(
        !matches!(&run.report.ending, Ending::Verdict(v) if v.success),
        "{}",
        run.report.ending
    );
    assert_eq!(disks.each_ref().map(|disk| head(disk)), before, "neither is written to");
}

/// Two generations, made by a pkgd on this machine that takes itself for that of an appliance.
fn two_generations(state: &Path, recipes: &Recipes) {
    let root = Root::at(state, recipes.path()).with(&["--appliance", "--last-boot", "none"]);
    let mut daemon = root.start();
    for name in ["one", "two"] {
        assert_eq!(daemon.build(name).state, JobState::Done);
        ask(&mut daemon, PackageRequest::Pack { targets: vec![name.into()] }).expect("packed");
        change(&mut daemon, install(&[name]));
    }
    assert!(daemon.stop().success());
}

/// The power goes at the first, a middle and the last flush of a switch. The machine comes up each time, with the system
/// of before or of after, every file of it as it should be, and with init asked for the one that is current.
#[test]
fn a_power_cut_in_a_switch_leaves_the_system_of_before_or_after() {
    let mut recipes = Recipes::new();
    for name in ["one", "two"] {
        recipes.step(name, &[], &[]);
    }
    let appliance = Appliance::with_recipes(recipes.path()).state(|disk| Some(disk.volatile()));
    appliance.look("rw", |state| two_generations(state, &recipes));
    for turn in 0..3 {
        let (run, ()) = appliance.attend_disk(|socket, disk| {
            let disk = disk.expect("a volatile disk");
            let mut client = Client::connect(socket, "test", Timeouts::default()).expect("pkgd");
            assert!(
                !verify(&mut client, false).alarm,
                "turn {turn}: a file is not as it should be"
            );
            let mut switch = |to| {
                let wish = PackageRequest::Switch { generation: to, dry_run: false };
                client.call(&Request::Package(wish)).is_ok()
            };
            let before = disk.disk().requests().1;
            // The current one is 1 then, whatever the last cut has left; how many flushes that takes depends on it.
            assert!(switch(2) && switch(1), "turn {turn}");
            let each = (disk.disk().requests().1 - before) / 2;
            let nth = disk.disk().requests().1 + [1, each.div_ceil(2), each][turn].max(1);
            disk.disk().cut_at(CutAt::Flush(nth), Survivors::Random(turn as u64));
            // The last flush may come after the answer: then another switch is hit.
            let cut = (0..4).any(|n| !switch(2 - n % 2));
            assert!(cut, "turn {turn}: no cut in {each} flushes");
        });
        assert!(matches!(run.report.ending, Ending::PowerCut), "{}", run.report.ending);
    }
    appliance.look("rw", |state| {
        let root = Root::at(state, recipes.path()).with(&["--appliance", "--last-boot", "none"]);
        let mut daemon = root.start();
        assert!(!verify(&mut daemon, false).alarm);
        let list = ask(&mut daemon, PackageRequest::Generations).expect("a list");
        let current = list.find("current").map(text).expect("a current one");
        let link = fs::read_link(state.join("current")).expect("a link");
        assert!(link.ends_with(format!("roots/{current}")), "{link:?}, {current}");
        let asked = fs::read_to_string(state.join("boot/asked")).expect("asked for");
        assert_eq!(asked.trim(), current, "init is asked for the current one");
        let check = PackageRequest::Database(DatabaseTask::Verify);
        assert!(!ask(&mut daemon, check).expect("looked at").alarm);
        assert!(daemon.stop().success());
    });
}
