//! Generations that boot, and generations that do not: made by hand, judged by init, left behind by it.
#![cfg(feature = "vm")]

use std::fs;
use std::path::Path;

use minos_proto::bootplan::{self, BootPlan, CheckSpec, Command, Kind, What};
use minos_proto::{BootEvent, BootPhase, Standing, bootrec};
use minos_qemu::ending::Ending;
use minos_qemu::observe::Observation;
use minos_qemu::volatile::Survivors;
use minos_qemu::watch::Order;
use minos_tests::Recipes;
use minos_tests::appliance::{Appliance, Run};
use minos_tests::generation::{check, make, plan, service, shell, wish};

fn record(appliance: &Appliance) -> bootrec::Record {
    let bytes = appliance.look("rw", |state| fs::read(state.join("boot/record")));
    bootrec::read(&bytes.expect("a record")).record.expect("a good record")
}

fn last_boot(run: &Run) -> String {
    let told = run.events.iter().find_map(|event| match event {
        BootEvent::LastBoot { text } => Some(text.to_string()),
        _ => None,
    });
    told.unwrap_or_else(|| panic!("no word about the last boot:\n{}", run.console))
}

fn standings(run: &Run) -> Vec<(u64, Standing)> {
    let of = |event: &BootEvent| match event {
        BootEvent::Generation { generation, standing, .. } => Some((*generation, *standing)),
        _ => None,
    };
    run.events.iter().filter_map(of).collect()
}

/// Runs until init has said something about a generation that satisfies `wanted`; then the power goes.
fn until(appliance: &Appliance, wanted: Standing) -> Run {
    appliance.run(&mut |seen| match seen {
        Observation::Boot(BootEvent::Generation { standing, .. }) if *standing == wanted => {
            Order::CutPower(Survivors::None)
        }
        _ => Order::Continue,
    })
}

/// Everything that is promised about the root, seen from inside.
const INSIDE: &str = "set -ex
grep -q ' / ext4 ro' /proc/self/mounts
! touch /usr/x
touch /etc/x /var/x /home/x /root/x /tmp/x /state/machine/x
test -e /var/shipped -a -c /dev/null -a -d /sys/fs/cgroup
test -x /run/initramfs/init -a -e /run/initramfs/seed/bin
test $MINOS_GENERATION = 5
test $(cat /proc/sys/kernel/hostname) = lfs
set $(grep RssAnon /proc/1/status)
test $2 -le 128
";

/// A generation is on trial until it has passed its checks. The power goes while it is on trial, and again the
/// moment it is proven: the first costs a try, the second nothing. A build in the new root needs what a mere
/// change of root would forbid.
#[test]
fn a_good_generation_is_proven_and_stays_so_through_power_cuts() {
    let mut recipes = Recipes::new();
    recipes.step("one", &[], &[]);
    let mut appliance = Appliance::with_recipes(recipes.path()).state(|disk| Some(disk.volatile()));
    appliance.look("rw", |state| {
        let mut good = plan();
        let services = [
            service("setup", Kind::Oneshot, "echo set up", 0),
            service("seen", Kind::Oneshot, "exec /bin/sh /inside", 1),
            service("login", Kind::Login, "echo at your service; exec sleep 100000", 0),
        ];
        good.services.extend(services);
        good.checks.push(check("console", What::ConsoleAnswered, 60_000)).expect("room");
        good.checks.insert(0, check("seen", What::ServiceUp(1), 60_000)).expect("room");
        let root = make(state, 5, &good);
        fs::write(root.join("var/shipped"), "").expect("a file");
        fs::write(root.join("inside"), INSIDE).expect("a file");
        wish(state, 5, 3);
    });

    let run = until(&appliance, Standing::Trial);
    assert_eq!(standings(&run), [(5, Standing::Trial)], "{}", run.console);
    let left = record(&appliance);
    assert_eq!((left.generation, left.proven, left.tries_left), (5, false, 2));

    let run = until(&appliance, Standing::Passed);
    assert_eq!(standings(&run), [(5, Standing::Trial), (5, Standing::Passed)], "{}", run.console);
    assert!(
        last_boot(&run).starts_with("boot 1 of generation 5 was cut off"),
        "{}",
        last_boot(&run)
    );
    assert!(run.says("setup: set up") && run.says("at your service"), "{}", run.console);
    let left = record(&appliance);
    assert_eq!(
        (left.proven, left.fallback, left.failure.map(|f| f.generation)),
        (true, 5, Some(5))
    );

    // Not before: on a fast machine it ended, and with it the machine, before the generation was proven.
    appliance.append("minos.build=demo/one minos.then=poweroff");
    let run = appliance.run_through();
    run.must_succeed();
    assert_eq!(standings(&run), [(5, Standing::Proven)]);
    let bye = run.events.iter().any(|e| matches!(e, BootEvent::Bye { clean: true, .. }));
    assert!(bye, "the file systems of a generation are left clean: {:?}", run.events.last());
    assert_eq!(record(&appliance).generation, 5);
}

/// A plan with one check more, in front of the others.
fn with(check: CheckSpec) -> BootPlan {
    let mut plan = plan();
    plan.checks.insert(0, check).expect("room");
    plan
}

/// A generation that is bad in one way: its number, how it is made, and what the next boot must say of it.
type Bad = (u64, fn(&Path), &'static str);

/// Something is not there.
const LACKING: [Bad; 3] = [
    (
        6,
        |state| {
            let root = make(state, 6, &plan());
            fs::remove_dir(root.join("var")).expect("a directory");
        },
        "failed, its root lacks a file: /var, 20",
    ),
    (7, |_| {}, "failed, its root lacks a file: /, 20"),
    (
        8,
        |state| {
            let mut lacks = with(check("network", What::ServiceUp(0), 60_000));
            let mut network = service("network", Kind::Daemon, "true", 0);
            network.command = Command::new(["/sbin/network"]).expect("a command");
            lacks.services.push(network).expect("room");
            make(state, 8, &lacks);
        },
        "failed its check: network, 20",
    ),
];

/// Something does not work.
const BROKEN: [Bad; 4] = [
    (
        6,
        |state| {
            let refuses = What::Command(shell("echo no address; exit 3"));
            make(state, 6, &with(check("network", refuses, 60_000)));
        },
        "failed its check: network, 20",
    ),
    (
        7,
        |state| {
            let mut hangs = with(check("hanging", What::ServiceUp(0), 60_000));
            let hanging = service("hanging", Kind::Oneshot, "sleep 1000", 0);
            hangs.services.push(hanging).expect("room");
            make(state, 7, &hangs);
        },
        "failed its check: hanging, 20",
    ),
    (
        8,
        |state| {
            let sleeps = What::Command(shell("sleep 1000"));
            make(state, 8, &with(check("lazy", sleeps, 1_000)));
        },
        "failed, a check took too long: lazy, 20",
    ),
    (
        9,
        |state| {
            let panics = What::Command(shell("sleep 1; echo c > /proc/sysrq-trigger"));
            make(state, 9, &with(check("panics", panics, 60_000)));
        },
        // How far pkgd came by then is a race.
        "was cut off (power cut, watchdog or kernel crash) after phase \"",
    ),
];

/// Each boot tries one bad generation, once, and tells of the one before. What the boot after the last must say.
fn try_all(appliance: &Appliance, bad: &[Bad]) -> (u64, &'static str) {
    let mut before = None;
    for (number, make_bad, says) in bad {
        appliance.look("rw", |state| {
            make_bad(state);
            wish(state, *number, 1);
        });
        let run = appliance.run_through();
        let standing = standings(&run).last().copied();
        match &run.report.ending {
            Ending::Rebooted { announced: true } => {
                assert_eq!(standing, Some((*number, Standing::Failed)), "{}", run.console);
            }
            // What init said last may be lost with the machine.
            Ending::GuestPanic { .. } => {}
            other => panic!("{number}: {other}\n{}", run.console),
        }
        if let Some(before) = before {
            told(&run, before);
        }
        before = Some((*number, *says));
    }
    before.expect("at least one")
}

/// The boot after a bad generation names it, the reason and the time.
fn told(run: &Run, (number, says): (u64, &str)) {
    let text = last_boot(run);
    assert!(text.contains(&format!("of generation {number} ")), "{text}");
    assert!(text.contains(says) && text.contains(" UTC"), "{text}");
}

/// A damaged plan is not obeyed either: the built-in one asks for pkgd alone, which is there.
#[test]
fn generations_that_lack_something_are_left_behind_and_the_next_boot_says_why() {
    let appliance = Appliance::new();
    let before = try_all(&appliance, &LACKING);
    appliance.look("rw", |state| {
        let root = make(state, 9, &plan());
        let path = root.join(bootplan::PATH);
        let mut bytes = fs::read(&path).expect("the plan");
        bytes[20] ^= 0x04;
        fs::write(&path, bytes).expect("the plan");
        wish(state, 9, 1);
    });
    let run = until(&appliance, Standing::Passed);
    told(&run, before);
    assert!(run.says("boot plan: its checksum does not match: the built-in one is used"));
    assert_eq!(standings(&run), [(9, Standing::Trial), (9, Standing::Passed)], "{}", run.console);
}

/// After the last one nothing is wished for: the fallback boots, here the initramfs itself.
#[test]
fn generations_that_do_not_work_are_left_behind_for_the_fallback() {
    let appliance = Appliance::new();
    let before = try_all(&appliance, &BROKEN);
    let run = appliance.run(&mut |seen| match seen {
        Observation::Boot(BootEvent::Phase { phase: BootPhase::Ready, .. }) => Order::Kill,
        _ => Order::Continue,
    });
    told(&run, before);
    assert!(last_boot(&run).ends_with("; now generation 0"), "{}", last_boot(&run));
    assert_eq!(standings(&run), []);
}
