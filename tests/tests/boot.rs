//! What a boot and a build cost, in instructions of the guest: they do not depend on how busy the machine is.
//!
//! In a counted machine ([`minos_qemu::machine::Machine::counted`]) a second of the guest's clock is a thousand
//! million instructions, or a second of waiting.
#![cfg(feature = "vm")]

use minos_proto::BootEvent;
use minos_qemu::ending::Ending;
use minos_tests::appliance::Appliance;
use minos_tests::boot::{self, Boot};

/// Boots of each. The least counts: waiting for a disk of a busy host only adds.
const ROUNDS: usize = 3;

/// What fits into five minutes of an emulation that does 200 million instructions a second. (The machine on which the
/// smoke test takes 36 to 68 s does three times that; it counts 38,000 million, waiting on a busy host included.)
const SMOKE_MS: u64 = 60_000;

#[test]
fn the_share_of_init_in_the_boot_is_like_that_of_busybox() {
    let appliance = Appliance::new().counted();
    let boots = (0..ROUNDS).map(|_| (boot::ours(&appliance), boot::busybox(&appliance)));
    let (ours, peer): (Vec<Boot>, Vec<Boot>) = boots.unzip();
    println!("ours {ours:?}\nbusybox {peer:?}");
    let least = |boots: &[Boot]| boots.iter().map(Boot::share).fold(f64::INFINITY, f64::min);
    let (ours, peer) = (least(&ours), least(&peer));
    assert!(ours <= 1.2 * peer, "{ours} ms beside {peer} ms");
}

#[test]
fn the_smoke_build_keeps_its_budget() {
    let mut appliance = Appliance::new().counted();
    appliance.append("minos.build=demo/zlib minos.then=poweroff");
    let run = appliance.run_through();
    run.must_succeed();
    let Ending::Verdict(verdict) = &run.report.ending else { unreachable!() };
    assert_eq!(verdict.built, 1, "{verdict:?}");
    let bye = run.events.iter().find_map(|event| match event {
        BootEvent::Bye { at_ms, .. } => Some(*at_ms),
        _ => None,
    });
    let at_ms = bye.expect("init says good-bye");
    println!("boot, build, power off: {at_ms} million instructions");
    assert!(at_ms <= SMOKE_MS, "{at_ms} million instructions");
}
