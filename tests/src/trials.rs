//! Trials of generations: boots that are watched until init has judged, and what it wrote down and said.

use std::fs;
use std::path::Path;

use minos_proto::bootplan::{BootPlan, CheckSpec};
use minos_proto::{BootEvent, Standing, bootrec};
use minos_qemu::ending::Ending;
use minos_qemu::observe::Observation;
use minos_qemu::volatile::Survivors;
use minos_qemu::watch::Order;

use crate::appliance::{Appliance, Run};
use crate::generation::{plan, wish};

/// The boot record on the state disk.
///
/// # Panics
/// There is none, or both of its slots are damaged.
pub fn record(appliance: &Appliance) -> bootrec::Record {
    let bytes = appliance.look("rw", |state| fs::read(state.join("boot/record")));
    bootrec::read(&bytes.expect("a record")).record.expect("a good record")
}

/// Puts a boot record on the mounted state disk, as if init had written it.
///
/// # Panics
/// It cannot be written.
pub fn write_record(state: &Path, record: &bootrec::Record) {
    let stamped = record.stamped(1_795_000_000);
    let mut file = vec![0; 8192];
    let at = usize::try_from(stamped.offset()).expect("small");
    file[at..][..bootrec::SLOT].copy_from_slice(&stamped.encode());
    fs::create_dir_all(state.join("boot")).expect("a folder");
    fs::write(state.join(bootrec::PATH), file).expect("the record");
}

/// What the boot said of the one before.
///
/// # Panics
/// Nothing.
pub fn last_boot(run: &Run) -> String {
    let told = run.events.iter().find_map(|event| match event {
        BootEvent::LastBoot { text } => Some(text.to_string()),
        _ => None,
    });
    told.unwrap_or_else(|| panic!("no word about the last boot:\n{}", run.console))
}

/// What init said of generations, in order.
pub fn standings(run: &Run) -> Vec<(u64, Standing)> {
    let of = |event: &BootEvent| match event {
        BootEvent::Generation { generation, standing, .. } => Some((*generation, *standing)),
        _ => None,
    };
    run.events.iter().filter_map(of).collect()
}

/// Runs until init has said something about a generation that satisfies `wanted`; then the power goes.
///
/// # Panics
/// QEMU cannot be started.
pub fn until(appliance: &Appliance, wanted: Standing) -> Run {
    appliance.run(&mut |seen| match seen {
        Observation::Boot(BootEvent::Generation { standing, .. }) if *standing == wanted => {
            Order::CutPower(Survivors::None)
        }
        _ => Order::Continue,
    })
}

/// A plan with one check more, in front of the others.
///
/// # Panics
/// Never: the plan has room.
pub fn with(check: CheckSpec) -> BootPlan {
    let mut plan = plan();
    plan.checks.insert(0, check).expect("room");
    plan
}

/// A generation that is bad in one way: its number, how it is made, and what the next boot must say of it.
pub type Bad = (u64, fn(&Path), &'static str);

/// Each boot tries one bad generation, once, and tells of the one before. What the boot after the last must say.
///
/// # Panics
/// One is not left behind, or the next boot does not say why.
pub fn try_all(appliance: &Appliance, bad: &[Bad]) -> (u64, &'static str) {
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
            Ending::GuestPanic { .. } | Ending::Watchdog => {}
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
///
/// # Panics
/// It does not.
pub fn told(run: &Run, (number, says): (u64, &str)) {
    let text = last_boot(run);
    assert!(text.contains(&format!("of generation {number} ")), "{text}");
    assert!(text.contains(says) && text.contains(" UTC"), "{text}");
}
