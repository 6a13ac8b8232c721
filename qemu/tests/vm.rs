//! Machines that really boot: each ending told from the others, each fault injected.
//!
//! The guest is a kernel, busybox and a shell script as `/init`. Needs QEMU, a static busybox
//! (`MINOS_BUSYBOX`, else `/bin/busybox`) and a kernel (`MINOS_KERNEL`, else `out/bzImage`).
//! Run with `cargo test -p minos-qemu --features vm-tests --test vm`.
#![cfg(feature = "vm-tests")]

#[path = "vm/guest.rs"]
mod guest;

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use guest::{Guest, announce, verdict};
use minos_proto::{BootEvent, BootPhase};
use minos_qemu::dir::Paths;
use minos_qemu::machine::{Disk, Firmware, Machine};
use minos_qemu::panic::Pid1;
use minos_qemu::volatile::CutAt;
use minos_qemu::{
    Choice, Ending, Error, Limits, Observation, Order, Start, Status, Survivors, Vm, vm, watch,
};

/// Against a hang of the test itself. A boot takes 3 s on an idle machine.
const TOTAL: Duration = Duration::from_secs(300);

fn limits() -> Limits {
    Limits { total: Some(TOTAL), ..Limits::NONE }
}

/// Boots a guest whose `/init` is this script and watches it to its end.
fn ending_of(script: &str) -> Ending {
    let guest = Guest::new(script);
    let mut vm = guest.start(guest.machine());
    watch(&mut vm, &limits(), &mut |_| Order::Continue).unwrap().ending
}

#[test]
fn a_clean_power_off_has_no_verdict() {
    assert_eq!(ending_of("poweroff -f"), Ending::PoweredOffWithoutVerdict);
}

#[test]
fn a_reboot_ends_the_machine_and_is_named() {
    assert_eq!(ending_of("reboot -f"), Ending::Rebooted { announced: false });
}

#[test]
fn a_dying_init_is_a_panic_with_its_status() {
    let Ending::GuestPanic { text, pid1 } = ending_of("exit 7") else { panic!("no panic") };
    assert_eq!(pid1, Some(Pid1::Exited(7)), "{text}");
}

#[test]
fn a_missing_init_is_a_panic_that_says_so() {
    let guest = Guest::new("poweroff -f");
    let machine = guest.machine().append("rdinit=/nowhere init=/nowhere");
    let mut vm = guest.start(machine);
    let report = watch(&mut vm, &limits(), &mut |_| Order::Continue).unwrap();
    assert!(matches!(&report.ending, Ending::GuestPanic { pid1: None, .. }), "{}", report.ending);
}

#[test]
fn silence_is_noticed_and_quotes_the_last_line() {
    let guest = Guest::new("echo last words; sleep 100000");
    let mut vm = guest.start(guest.machine());
    let limits = Limits { silence: Some(Duration::from_secs(20)), ..limits() };
    let report = watch(&mut vm, &limits, &mut |_| Order::Continue).unwrap();
    assert_eq!(report.ending, Ending::Silence { last_output: "last words".into() });
}

#[test]
fn the_time_for_the_whole_run_can_be_up() {
    let guest = Guest::new("while :; do echo busy; sleep 1; done");
    let mut vm = guest.start(guest.machine());
    let limits = Limits { total: Some(Duration::from_secs(15)), ..Limits::NONE };
    let report = watch(&mut vm, &limits, &mut |_| Order::Continue).unwrap();
    assert_eq!(report.ending, Ending::TimedOut { phase: None });
}

#[test]
fn a_watchdog_nobody_feeds_bites() {
    let guest = Guest::new("exec 3>/dev/watchdog; echo armed; while :; do echo; sleep 1; done");
    let mut vm = guest.start(guest.machine().append("i6300esb.heartbeat=5"));
    let report = watch(&mut vm, &limits(), &mut |_| Order::Continue).unwrap();
    assert_eq!(report.ending, Ending::Watchdog);
}

#[test]
fn a_verdict_comes_through_with_the_events_of_init() {
    for success in [true, false] {
        let mut guest = Guest::new(
            "cat /init.frames >$(port minos.init)
            cat /control.frames >$(port minos.control); poweroff -f",
        );
        guest.frames("init.frames", &announce(false));
        guest.frames("control.frames", &verdict(success));
        let mut vm = guest.start(guest.machine());
        let mut phases = Vec::new();
        let report = watch(&mut vm, &limits(), &mut |seen| {
            if let Observation::Boot(BootEvent::Phase { phase, .. }) = seen {
                phases.push(*phase);
            }
            Order::Continue
        })
        .unwrap();
        assert_eq!(Status::from(&report.ending) as u8, u8::from(!success), "{}", report.ending);
        assert_eq!(phases, [BootPhase::Start, BootPhase::Ready]);
        assert_eq!(report.evidence.goodbye, Some((false, true)));
    }
}

#[test]
fn a_panic_after_the_verdict_is_not_a_success() {
    let mut guest = Guest::new("cat /control.frames >$(port minos.control); exit 1");
    guest.frames("control.frames", &verdict(true));
    let mut vm = guest.start(guest.machine());
    let report = watch(&mut vm, &limits(), &mut |_| Order::Continue).unwrap();
    assert!(matches!(report.ending, Ending::GuestPanic { .. }), "{}", report.ending);
    assert!(report.evidence.verdict.is_some_and(|v| v.success), "it is known, but does not count");
}

/// Writes "flushed" with a flush and "written" past the page cache without one, then waits.
const WRITES: &str = "
    dd if=/flushed of=/dev/vda bs=4096 count=1 conv=fsync 2>/dev/null && echo did flush
    dd if=/written of=/dev/vda bs=4096 seek=1 count=1 oflag=direct 2>/dev/null && echo did write
    sleep 100000";

/// Runs [`WRITES`] on `disk`, ends it by `order` after the second write, and returns the disk's
/// first byte and the first byte written without a flush.
fn after_writes(disk: fn(Disk) -> Disk, order: Order) -> (Ending, u8, u8) {
    let mut guest = Guest::new(WRITES);
    guest.file("flushed", &[b'F'; 4096]);
    guest.file("written", &[b'W'; 4096]);
    let image = guest.image("disk.img", 1 << 20);
    let mut vm = guest.start(guest.machine().disk(disk(Disk::new("minos-test", &image))));
    let mut screen = Vec::new();
    let report = watch(&mut vm, &limits(), &mut |seen| {
        if let Observation::Serial(bytes) = seen {
            screen.extend_from_slice(bytes);
        }
        let written = screen.windows(9).any(|w| w == b"did write");
        if written { order } else { Order::Continue }
    })
    .unwrap();
    let image = std::fs::File::open(image).unwrap();
    let byte = |at| {
        let mut byte = [0];
        image.read_exact_at(&mut byte, at).unwrap();
        byte[0]
    };
    (report.ending, byte(0), byte(4096))
}

#[test]
fn a_power_cut_loses_what_was_not_flushed_and_keeps_what_was() {
    let cut = after_writes(Disk::volatile, Order::CutPower(Survivors::None));
    assert_eq!(cut, (Ending::PowerCut, b'F', 0));
}

/// The reason volatile disks exist: killing QEMU is no power cut.
#[test]
fn a_kill_loses_nothing_on_a_plain_disk() {
    assert_eq!(after_writes(|disk| disk, Order::Kill), (Ending::Killed, b'F', b'W'));
}

#[test]
fn a_snapshot_leaves_the_image_alone() {
    assert_eq!(after_writes(Disk::snapshot, Order::Kill), (Ending::Killed, 0, 0));
}

#[test]
fn the_power_can_go_at_a_planned_write() {
    let mut guest = Guest::new(
        "for i in 0 1 2 3 4 5 6 7; do
            dd if=/block of=/dev/vda bs=4096 seek=$i count=1 conv=fsync oflag=direct 2>/dev/null
        done; poweroff -f",
    );
    guest.file("block", &[b'B'; 4096]);
    let image = guest.image("disk.img", 1 << 20);
    let disk = Disk::new("minos-test", &image).volatile();
    let mut vm = guest.start(guest.machine().disk(disk));
    vm.volatile("minos-test").unwrap().disk().cut_at(CutAt::Write(4), Survivors::None);
    let report = watch(&mut vm, &limits(), &mut |_| Order::Continue).unwrap();
    assert_eq!(report.ending, Ending::PowerCut);
    let bytes = std::fs::read(image).unwrap();
    assert_eq!(bytes.iter().filter(|b| **b == b'B').count(), 3 * 4096, "three writes were flushed");
}

/// A guest that reads its disk over and over and says when that stops working.
const READS: &str = "
    while dd if=/dev/vda of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null; do
        echo disk-answers; sleep 1
    done; echo disk-fails; poweroff -f";

#[test]
fn a_detached_disk_fails_in_the_guest_and_the_guest_goes_on() {
    for volatile in [false, true] {
        let guest = Guest::new(READS);
        let mut disk = Disk::new("minos-test", guest.image("disk.img", 1 << 20));
        disk.volatile = volatile;
        let mut vm = guest.start(guest.machine().disk(disk));
        wait_for(&mut vm, "disk-answers");
        vm.detach("minos-test").unwrap();
        wait_for(&mut vm, "disk-fails");
        let report = watch(&mut vm, &limits(), &mut |_| Order::Continue).unwrap();
        assert_eq!(report.ending, Ending::PoweredOffWithoutVerdict);
    }
}

/// The guest learns only that writes fail: virtio-blk has one error for everything.
#[test]
fn a_full_disk_refuses_writes_and_still_reads() {
    let mut guest = Guest::new(
        "while dd if=/block of=/dev/vda bs=4096 count=1 oflag=direct 2>/dev/null; do
            echo disk-takes; sleep 1
        done
        dd if=/dev/vda of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null && echo disk-gives
        sleep 100000",
    );
    guest.file("block", &[b'B'; 4096]);
    let disk = Disk::new("minos-test", guest.image("disk.img", 1 << 20));
    let mut vm = guest.start(guest.machine().disk(disk.volatile()));
    wait_for(&mut vm, "disk-takes");
    vm.set_full("minos-test", true).unwrap();
    wait_for(&mut vm, "disk-gives");
}

#[test]
fn a_paused_machine_stands_still_and_goes_on() {
    let guest = Guest::new("while :; do echo guest-ticks; sleep 1; done");
    let mut vm = guest.start(guest.machine());
    wait_for(&mut vm, "guest-ticks");
    vm.pause().unwrap();
    assert_eq!(vm.status().unwrap(), "paused");
    while vm.next(Duration::from_secs(1)).is_some() {}
    let still = vm.next(Duration::from_secs(4));
    assert_eq!(still, None, "it was paused and ticked on");
    vm.resume().unwrap();
    wait_for(&mut vm, "guest-ticks");
}

#[test]
fn the_console_takes_what_is_typed() {
    let guest = Guest::new("echo your-name; read name; echo hello $name; poweroff -f");
    let mut vm = guest.start(guest.machine());
    wait_for(&mut vm, "your-name");
    vm.serial().send(b"minos\r").unwrap();
    wait_for(&mut vm, "hello minos");
}

#[test]
fn one_directory_runs_one_machine_and_anybody_may_kill_it() {
    let guest = Guest::new("echo guest-is-up; sleep 100000");
    let mut vm = guest.start(guest.machine());
    wait_for(&mut vm, "guest-is-up");
    let second = Vm::start(&guest.machine(), &guest.how());
    assert!(matches!(second, Err(Error::Busy { pid: Some(pid), .. }) if pid == vm.pid()));
    vm::kill_in(&Paths::new(guest.dir())).unwrap();
    let report = watch(&mut vm, &limits(), &mut |_| Order::Continue).unwrap();
    assert_eq!(report.ending, Ending::Killed);
    drop(vm);
    let gone = vm::kill_in(&Paths::new(guest.dir()));
    assert!(matches!(gone, Err(Error::NotRunning(_))));
}

#[test]
fn a_dropped_machine_leaves_no_process() {
    let guest = Guest::new("sleep 100000");
    let vm = guest.start(guest.machine());
    let proc = format!("/proc/{}", vm.pid());
    assert!(std::path::Path::new(&proc).exists());
    drop(vm);
    assert!(!std::path::Path::new(&proc).exists());
}

#[test]
fn a_qemu_that_refuses_its_arguments_is_quoted() {
    let guest = Guest::new("poweroff -f");
    let e = Vm::start(&guest.machine().memory(u32::MAX), &guest.how()).unwrap_err();
    assert!(matches!(&e, Error::QemuFailed { stderr } if !stderr.is_empty()), "{e}");
    let e = Vm::start(&Machine::kernel("/no/such/kernel", None), &guest.how()).unwrap_err();
    assert!(e.to_string().contains("/no/such/kernel"), "{e}");
}

#[test]
fn firmware_starts_and_looks_at_the_disk() {
    let guest = Guest::new("");
    let disk = Disk::new("minos-boot", guest.image("disk.img", 8 << 20));
    let machine = Machine::firmware(Firmware::find().unwrap()).disk(disk).memory(256);
    let mut vm = guest.start(machine);
    wait_for(&mut vm, "BdsDxe");
}

/// Reads the machine's console until `text` has appeared in what came since the call.
fn wait_for(vm: &mut Vm, text: &str) {
    let deadline = Instant::now() + TOTAL;
    let mut screen = String::new();
    while Instant::now() < deadline && !vm.has_ended() {
        if let Some(Observation::Serial(bytes)) = vm.next(Duration::from_secs(1)) {
            screen.push_str(&String::from_utf8_lossy(&bytes));
            if screen.contains(text) {
                return;
            }
        }
    }
    panic!("'{text}' never appeared; the console said:\n{screen}");
}

/// Emulation for all of them: the tests are about endings, not about speed.
fn how(dir: &std::path::Path) -> Start {
    Start { accel: Choice::Tcg, ..Start::in_dir(dir) }
}
