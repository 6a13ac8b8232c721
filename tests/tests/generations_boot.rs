//! Generations that boot, and generations that do not: made by hand, judged by init, left behind by it.
#![cfg(feature = "vm")]

use std::fs;

use minos_proto::bootplan::{self, Command, Kind, What};
use minos_proto::bootrec::Record;
use minos_proto::{BootEvent, BootPhase, Standing};
use minos_qemu::observe::Observation;
use minos_qemu::watch::Order;
use minos_tests::Recipes;
use minos_tests::appliance::Appliance;
use minos_tests::generation::{check, make, plan, service, shell, wish};
use minos_tests::trials::{
    Bad, last_boot, record, standings, told, try_all, until, with, write_record,
};

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

/// Something is not there.
const LACKING: [Bad; 5] = [
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
    (
        9,
        |state| {
            let path = make(state, 9, &plan()).join(bootplan::PATH);
            let mut bytes = fs::read(&path).expect("the plan");
            bytes[20] ^= 0x04;
            fs::write(&path, bytes).expect("the plan");
        },
        "failed, its root lacks a file: boot.plan (damaged), 20",
    ),
    (
        10,
        |state| {
            let path = make(state, 10, &plan()).join(bootplan::PATH);
            fs::remove_file(path).expect("the plan");
        },
        "failed, its root lacks a file: boot.plan, 20",
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

#[test]
fn generations_that_lack_something_are_left_behind_and_the_next_boot_says_why() {
    let appliance = Appliance::new();
    let before = try_all(&appliance, &LACKING);
    falls_back(&appliance, before);
}

/// After the last one nothing is wished for: the fallback boots, here the initramfs itself.
#[test]
fn generations_that_do_not_work_are_left_behind_for_the_fallback() {
    let appliance = Appliance::new();
    let before = try_all(&appliance, &BROKEN);
    falls_back(&appliance, before);
}

/// Nothing is wished for any more: the initramfs itself comes up, and says why.
fn falls_back(appliance: &Appliance, before: (u64, &str)) {
    let run = appliance.run(&mut |seen| match seen {
        Observation::Boot(BootEvent::Phase { phase: BootPhase::Ready, .. }) => Order::Kill,
        _ => Order::Continue,
    });
    told(&run, before);
    assert!(last_boot(&run).ends_with("; now generation 0"), "{}", last_boot(&run));
    assert_eq!(standings(&run), []);
}

/// As pkgd asks for it: three tries, by itself, and then back to the generation that was proven before.
#[test]
fn a_bad_generation_is_left_after_its_tries_for_the_one_that_was_proven() {
    let appliance = Appliance::new().rebooting();
    appliance.look("rw", |state| {
        make(state, 5, &plan());
        make(state, 6, &with(check("broken", What::Command(shell("exit 1")), 60_000)));
        write_record(state, &Record { generation: 5, fallback: 5, ..Record::fresh() });
        wish(state, 6, 3);
    });
    let run = appliance.run(&mut |seen| match seen {
        Observation::Boot(BootEvent::Generation { standing: Standing::Proven, .. }) => Order::Kill,
        _ => Order::Continue,
    });
    let trial = [(6, Standing::Trial), (6, Standing::Failed)];
    let mut wanted = trial.repeat(3);
    wanted.push((5, Standing::Proven));
    assert_eq!(standings(&run), wanted, "{}", run.console);
    let told: Vec<String> = run
        .events
        .iter()
        .filter_map(|event| match event {
            BootEvent::LastBoot { text } => Some(text.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[3].starts_with("boot 3 of generation 6 failed its check: broken, 20"), "{told:?}");
    assert!(told[3].ends_with(" UTC; now generation 5"), "{told:?}");
    let left = record(&appliance);
    assert_eq!((left.generation, left.fallback, left.proven), (5, 5, true));
    assert_eq!(left.failure.map(|f| f.generation), Some(6));
}
