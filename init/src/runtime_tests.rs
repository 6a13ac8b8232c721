//! Whole boots and whole ways down, on a kernel made of memory.

use std::collections::VecDeque;

use minos_proto::{BootEvent, BootPhase, frame};

use super::{Mode, Off, Runtime};
use crate::bootrec::{Reason, Record, SLOT, SLOT_STRIDE, choose};
use crate::fake::{Behaviour, Fake, Fault};
use crate::kernel::{Errno, Job};
use crate::machine::End;
use crate::phase::{boot_bound_ms, stop_bound_ms};
use crate::record;
use crate::services::Paths;
use crate::sup::Exit;

pub(crate) fn start(fake: &Fake) -> Runtime<Fake> {
    let mut runtime = Runtime::new(fake.clone(), Mode::Machine, Paths::default());
    runtime.begin();
    runtime
}

/// Turns the loop for this long, or until the machine is off.
pub(crate) fn run_for(runtime: &mut Runtime<Fake>, fake: &Fake, ms: u64) -> Option<Off> {
    let end = fake.world().now + ms;
    fake.world().at.push((end, 0));
    let mut turns = 0;
    while fake.world().now < end {
        if let Some(off) = runtime.turn() {
            return Some(off);
        }
        turns += 1;
        assert!(
            turns < 1_000_000,
            "busy loop: {:?}",
            fake.world().log.iter().rev().take(20).collect::<Vec<_>>()
        );
    }
    None
}

pub(crate) fn boot(fake: &Fake) -> Runtime<Fake> {
    let mut runtime = start(fake);
    assert_eq!(run_for(&mut runtime, fake, 2_000), None);
    runtime
}

fn boot_with(cmdline: &str) -> (Fake, Runtime<Fake>) {
    let fake = Fake::machine();
    fake.world().files.insert("/proc/cmdline".into(), cmdline.into());
    let runtime = boot(&fake);
    (fake, runtime)
}

pub(crate) fn go_down(runtime: &mut Runtime<Fake>, fake: &Fake, signal: i32) -> Off {
    fake.world().signals.push_back(signal);
    run_for(runtime, fake, stop_bound_ms() + 1_000).expect("must be off within the bound")
}

pub(crate) fn record(fake: &Fake) -> Option<Record> {
    let w = fake.world();
    let file = w.files.get(record::PATH)?;
    let mut slots = [[0; SLOT]; 2];
    for (slot, at) in slots.iter_mut().zip([0, SLOT_STRIDE as usize]) {
        if let Some(bytes) = file.get(at..at + SLOT) {
            slot.copy_from_slice(bytes);
        }
    }
    choose(&slots).record
}

pub(crate) fn events(fake: &Fake) -> Vec<BootEvent> {
    let port = fake.world().port.clone();
    let mut reader = frame::Reader::strict(&port[..], frame::MAX_REQUEST);
    let mut list = vec![];
    while let Ok(f) = reader.next_frame() {
        list.push(f.decode().unwrap());
    }
    list
}

#[test]
fn a_machine_boots_and_tells_the_host_everything_from_the_first_line_on() {
    let fake = Fake::machine();
    let runtime = boot(&fake);
    assert_eq!(runtime.machine().name(), "running");
    assert_eq!(fake.world().mounted[7..], ["/state", "/seed"]);
    let phases: Vec<_> = events(&fake)
        .into_iter()
        .filter_map(|e| if let BootEvent::Phase { phase, .. } = e { Some(phase) } else { None })
        .collect();
    use BootPhase::{Disks, Mounted, Ready, Recorded, Services, Start};
    assert_eq!(phases, [Start, Mounted, Disks, Recorded, Services, Ready]);
    let w = fake.world();
    assert_eq!(w.spawned[0].1[0], "/bin/pkgd");
    assert!(w.spawned[0].1.windows(2).any(|a| a == ["--control", "/dev/vport1p2"]));
    assert_eq!(w.spawned[1].1[0], "/bin/pkgctl");
}

#[test]
fn the_record_is_on_disk_before_pkgd_is_started() {
    let fake = Fake::machine();
    let _runtime = boot(&fake);
    let w = fake.world();
    let at = |what: &str| w.log.iter().position(|l| l.starts_with(what)).unwrap();
    assert!(at("write_durable /state/boot/record") < at("spawn /bin/pkgd"));
}

#[test]
fn the_next_boot_knows_a_power_cut_from_an_orderly_end() {
    let fake = Fake::machine();
    let runtime = boot(&fake);
    assert_eq!(record(&fake).unwrap().reason, Reason::InProgress);
    assert_eq!(record(&fake).unwrap().phase, BootPhase::Ready);
    drop(runtime); // the power is cut
    let mut runtime = boot(&fake);
    assert!(
        fake.world().console_text().contains("boot 1 was cut off"),
        "{}",
        fake.world().console_text()
    );
    let off = go_down(&mut runtime, &fake, libc::SIGUSR2);
    assert_eq!((off.ending.end, off.unclean), (End::PowerOff, None));
    assert_eq!(record(&fake).unwrap().reason, Reason::PowerOff);
    fake.world().console.clear();
    let _runtime = boot(&fake);
    assert!(fake.world().console_text().contains("boot 2 ended by power-off, as asked"));
    let told = &fake.world().spawned.last().unwrap().1.clone();
    assert!(
        fake.world().spawned.iter().any(|s| s.1.iter().any(|a| a.starts_with("boot 2 ended"))),
        "{told:?}"
    );
}

#[test]
fn every_signal_has_its_end() {
    for (signal, end, reason) in [
        (libc::SIGUSR2, End::PowerOff, Reason::PowerOff),
        (libc::SIGUSR1, End::Halt, Reason::Halt),
        (libc::SIGTERM, End::Reboot, Reason::Reboot),
        (libc::SIGINT, End::Reboot, Reason::CtrlAltDel),
    ] {
        let fake = Fake::machine();
        let mut runtime = boot(&fake);
        let off = go_down(&mut runtime, &fake, signal);
        assert_eq!((off.ending.end, off.ending.reason), (end, reason));
        assert!(matches!(
            events(&fake).last(),
            Some(BootEvent::Log { .. } | BootEvent::Bye { .. })
        ));
        assert!(events(&fake).iter().any(|e| matches!(e, BootEvent::Bye { clean: true, .. })));
    }
}

#[test]
fn the_way_down_kills_before_it_unmounts_and_unmounts_deepest_first() {
    let fake = Fake::machine();
    fake.world().pkgd.obeys_term = false;
    let mut runtime = boot(&fake);
    fake.world().mounted.extend(["/state/a".into(), "/state/a/b".into()]);
    let before = fake.world().log.len();
    assert!(go_down(&mut runtime, &fake, libc::SIGTERM).is_clean());
    let w = fake.world();
    let at =
        |what: &str| before + w.log[before..].iter().position(|l| l.starts_with(what)).unwrap();
    let order = [
        "write_durable",
        "kill 15",
        "kill 18",
        "kill_all 15",
        "kill_all 18",
        "kill_all 9",
        "flush /state",
        "unmount /seed",
        "unmount /state/a/b",
        "unmount /state/a",
        "unmount /state",
        "sync",
    ];
    // The seed was mounted before the two below /state, so it goes after them.
    let at: Vec<usize> = order.iter().filter(|o| **o != "unmount /seed").map(|o| at(o)).collect();
    assert!(at.is_sorted(), "{at:?} {:#?}", &w.log[before..]);
}

#[test]
fn a_file_system_that_stays_busy_becomes_read_only() {
    let fake = Fake::machine();
    let mut runtime = boot(&fake);
    fake.world().busy.insert("/state".into());
    assert!(go_down(&mut runtime, &fake, libc::SIGTERM).is_clean());
    assert!(fake.world().read_only.contains(&"/state".to_owned()));
}

/// A disk that dies takes its file system along: unmounting it succeeds, and so does `sync(2)`. The machine told
/// the host that its file systems were clean.
#[test]
fn a_state_disk_that_died_is_not_called_clean() {
    let fake = Fake::machine();
    let mut runtime = boot(&fake);
    fake.world().dead.insert("/state".into());
    let off = go_down(&mut runtime, &fake, libc::SIGUSR2);
    assert_eq!(off.unclean, Some("state disk"));
    assert!(events(&fake).iter().any(|e| matches!(e, BootEvent::Bye { clean: false, .. })));
    let said = fake.world().console_text();
    assert!(said.contains("file systems NOT clean: state disk failed"), "{said}");
}

#[test]
fn without_a_state_disk_there_is_none_to_write_back() {
    let fake = Fake::machine();
    fake.world().files.remove("/sys/class/block/vda/serial");
    let mut runtime = start(&fake);
    run_for(&mut runtime, &fake, 10_000);
    fake.world().dead.insert("/state".into());
    assert!(go_down(&mut runtime, &fake, libc::SIGUSR2).is_clean());
}

#[test]
fn an_end_can_be_asked_for_while_a_mount_hangs() {
    let fake = Fake::machine();
    fake.world().hangs = |job| matches!(job, Job::Mount(_));
    let mut runtime = start(&fake);
    assert_eq!(run_for(&mut runtime, &fake, 500), None);
    assert_eq!(runtime.machine().name(), "boot");
    go_down(&mut runtime, &fake, libc::SIGTERM);
}

#[test]
fn every_hanging_helper_is_cut_by_its_deadline() {
    let hangs: [fn(&Job) -> bool; 6] = [
        |j| matches!(j, Job::Mount(_)),
        |j| matches!(j, Job::WriteRecord { .. }),
        |j| matches!(j, Job::KillAll),
        |j| matches!(j, Job::Flush { .. }),
        |j| matches!(j, Job::Unmount),
        |j| matches!(j, Job::Sync),
    ];
    for hang in hangs {
        let fake = Fake::machine();
        fake.world().hangs = hang;
        let mut runtime = start(&fake);
        run_for(&mut runtime, &fake, boot_bound_ms());
        assert!(["running", "rescue"].contains(&runtime.machine().name()));
        go_down(&mut runtime, &fake, libc::SIGTERM);
    }
}

#[test]
fn pkgd_is_restarted_with_growing_delays_counted_and_given_up() {
    let fake = Fake::machine();
    fake.world().pkgd.ends_after = Some((20, Exit::Signaled { signal: 9, core: false }));
    let mut runtime = start(&fake);
    run_for(&mut runtime, &fake, 40_000);
    assert_eq!(runtime.machine().name(), "rescue");
    let starts: Vec<u64> =
        fake.world().spawned.iter().filter(|s| s.1[0] == "/bin/pkgd").map(|s| s.0).collect();
    assert_eq!(starts.len(), 8);
    let gaps: Vec<u64> = starts.windows(2).map(|w| w[1] - w[0]).collect();
    assert!(gaps.is_sorted() && gaps[0] >= 250 && gaps[6] >= 16_000, "{gaps:?}");
    let restarts = events(&fake)
        .into_iter()
        .filter(|e| matches!(e, BootEvent::Restart { status: 265, .. }))
        .count();
    assert_eq!(restarts, 7);
    let r = record(&fake).unwrap();
    assert_eq!((r.pkgd_restarts, r.reason), (7, Reason::PkgdGaveUp));
}

#[test]
fn restarts_do_not_leak_descriptors() {
    let fake = Fake::machine();
    let mut runtime = boot(&fake);
    let before = fake.world().open_fds();
    fake.world().pkgd =
        Behaviour { ends_after: Some((61_000, Exit::Exited(1))), ..Behaviour::default() };
    for _ in 0..20 {
        fake.world().orphan(5, Exit::Exited(0));
        run_for(&mut runtime, &fake, 70_000);
    }
    assert!(fake.world().open_fds() <= before, "{} > {before}", fake.world().open_fds());
}

#[test]
fn the_rescue_prompt_answers_and_times_out_into_a_reboot() {
    let (fake, mut runtime) = boot_with("console=ttyS0 minos.rescue");
    assert_eq!(runtime.machine().name(), "rescue");
    assert!(fake.world().spawned.is_empty(), "services must wait");
    fake.world().typed.extend(b"help\nlog\nmounts\nnonsense\n");
    run_for(&mut runtime, &fake, 1_000);
    let text = fake.world().console_text();
    for word in ["RESCUE: minos.rescue", "poweroff", "/proc proc", "not a word"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    let off = run_for(&mut runtime, &fake, 400_000).expect("the prompt must time out");
    assert_eq!((off.ending.end, off.ending.reason), (End::Reboot, Reason::RescueTimeout));
}

#[test]
fn retry_leads_from_rescue_to_running() {
    let (fake, mut runtime) = boot_with("minos.rescue");
    fake.world().typed.extend(b"retry\n");
    run_for(&mut runtime, &fake, 2_000);
    assert_eq!(runtime.machine().name(), "running");
    assert!(record(&fake).is_some());
}

#[test]
fn a_shell_at_the_prompt_stops_the_clock() {
    let (fake, mut runtime) = boot_with("minos.rescue");
    fake.world().shell.ends_after = Some((3_600_000, Exit::Exited(0)));
    fake.world().typed.extend(b"shell\n");
    assert_eq!(run_for(&mut runtime, &fake, 3_500_000), None);
    assert_eq!(fake.world().spawned[0].1[0], "/bin/sh");
    assert!(
        run_for(&mut runtime, &fake, 500_000).is_some(),
        "the clock runs again after the shell"
    );
}

/// Seen in the machine: after `exit` of the prompt's shell nothing typed was taken any more. The
/// kernel hangs a terminal up when the session leader ends; descriptors opened before are dead.
#[test]
fn the_prompt_survives_the_end_of_its_shell_and_of_the_console() {
    let (fake, mut runtime) = boot_with("minos.rescue");
    fake.world().shell.ends_after = Some((100, Exit::Exited(0)));
    fake.world().typed.extend(b"shell\n");
    run_for(&mut runtime, &fake, 1_000);
    fake.world().hang_up("/dev/ttyS0");
    fake.world().typed.extend(b"retry\n");
    run_for(&mut runtime, &fake, 2_000);
    assert_eq!(runtime.machine().name(), "running");
}

/// The same for the log, where `minos.console=` names the terminal itself.
#[test]
fn the_log_survives_a_hang_up_of_its_terminal() {
    let (fake, mut runtime) = boot_with("minos.console=ttyS0");
    fake.world().hang_up("/dev/ttyS0");
    fake.world().console.clear();
    go_down(&mut runtime, &fake, libc::SIGTERM);
    assert!(fake.world().console_text().contains("rebooting"), "{}", fake.world().console_text());
}

#[test]
fn without_a_state_disk_a_person_gets_a_volatile_one_and_a_build_gets_the_rescue_prompt() {
    let no_disk = |cmdline: &str| {
        let fake = Fake::machine();
        fake.world().files.remove("/sys/class/block/vda/serial");
        fake.world().files.insert("/proc/cmdline".into(), cmdline.into());
        let mut runtime = start(&fake);
        run_for(&mut runtime, &fake, 45_000);
        (fake, runtime)
    };
    let (fake, runtime) = no_disk("quiet");
    assert_eq!(runtime.machine().name(), "running");
    assert!(fake.world().console_text().contains("LOST at power-off"));
    let (fake, mut runtime) = no_disk("minos.build=x minos.then=poweroff");
    assert_eq!(runtime.machine().name(), "rescue");
    assert!(fake.world().spawned.is_empty());
    let off =
        run_for(&mut runtime, &fake, 30_000).expect("an unattended machine does not wait long");
    assert_eq!((off.ending.end, off.ending.reason), (End::PowerOff, Reason::RescueTimeout));
}

/// A state disk that is there and cannot be written must never be hidden behind an empty tmpfs.
#[test]
fn a_read_only_state_disk_opens_the_rescue_prompt() {
    let fake = Fake::machine();
    fake.world().files.insert("/sys/class/block/vda/ro".into(), "1\n".into());
    let mut runtime = boot(&fake);
    assert_eq!(runtime.machine().name(), "rescue");
    assert!(fake.world().console_text().contains("read-only"));
    fake.world().typed.extend(b"volatile\n");
    run_for(&mut runtime, &fake, 2_000);
    assert_eq!(runtime.machine().name(), "running", "the operator may decide otherwise");
}

/// A machine whose second disk has more of these files; the first one, without a serial number, is a partition of
/// the right name if it is to be.
fn with_a_second_disk(named: bool, files: &[(&str, &[u8])]) -> (Fake, Runtime<Fake>) {
    let fake = Fake::machine();
    fake.world().lists.insert("/sys/class/block", vec!["vda", "vdb", "vdc"]);
    if named {
        fake.world().files.remove("/sys/class/block/vda/serial");
        let uevent = b"PARTNAME=minos-state\n".to_vec();
        fake.world().files.insert("/sys/class/block/vda/uevent".into(), uevent);
    }
    for (path, bytes) in files {
        fake.world().files.insert((*path).into(), bytes.to_vec());
    }
    let runtime = boot(&fake);
    (fake, runtime)
}

/// The beginning of a device with an ext4 file system of this label.
fn labelled(label: &str) -> Vec<u8> {
    let mut bytes = vec![0; 2048];
    bytes[1024 + 0x38..][..2].copy_from_slice(&[0x53, 0xef]);
    bytes[1024 + 0x78..][..label.len()].copy_from_slice(label.as_bytes());
    bytes
}

/// Somebody copied a disk and left both in: the one that came first was taken, and nothing was said.
#[test]
fn of_two_disks_with_one_name_neither_is_taken() {
    let label = labelled("minos-state");
    let serial: (&str, &[u8]) = ("/sys/class/block/vdc/serial", b"minos-state\n");
    let partition: (&str, &[u8]) = ("/sys/class/block/vdc/uevent", b"PARTNAME=minos-state\n");
    let copy: (&str, &[u8]) = ("/dev/vdc", &label);
    for (named, file, way) in
        [(false, serial, "serial number"), (true, partition, "partition name")]
    {
        let (fake, runtime) = with_a_second_disk(named, &[file]);
        refuses_both(&fake, runtime, way);
    }
    // Their serial number, or the name that the kernel knows, was given to them.
    for (named, files) in [(false, &[partition, copy][..]), (true, &[copy])] {
        let (_, runtime) = with_a_second_disk(named, files);
        assert_eq!(runtime.machine().name(), "running");
    }
    let fake = Fake::machine();
    fake.world().lists.insert("/sys/class/block", vec!["vda", "vdb", "vdc"]);
    fake.world().files.remove("/sys/class/block/vda/serial");
    for name in ["/dev/vda", "/dev/vdc"] {
        fake.world().files.insert(name.into(), label.clone());
    }
    let runtime = boot(&fake);
    refuses_both(&fake, runtime, "ext4 label");
}

fn refuses_both(fake: &Fake, mut runtime: Runtime<Fake>, way: &str) {
    assert_eq!(runtime.machine().name(), "rescue", "{}", fake.world().console_text());
    let said = format!("/dev/vda and /dev/vdc have the same {way}: take one out");
    assert!(fake.world().console_text().contains(&said), "{}", fake.world().console_text());
    assert!(!fake.world().mounted.contains(&"/state".into()));
    fake.world().lists.insert("/sys/class/block", vec!["vda", "vdb"]);
    fake.world().typed.extend(b"retry\n");
    run_for(&mut runtime, fake, 5_000);
    assert_eq!(runtime.machine().name(), "running", "{}", fake.world().console_text());
}

/// How often a helper was sent to read a device, and how long PID 1 left the watchdog alone.
fn looked_at(fake: &Fake) -> (usize, u64) {
    let w = fake.world();
    let gaps = w.fed.windows(2).map(|pair| pair[1].0 - pair[0].0);
    (w.log.iter().filter(|l| *l == "helper").count(), gaps.max().unwrap_or(0))
}

/// A first version read the superblock of every device in PID 1, at each look for a disk: an unrelated disk that never
/// answered hung PID 1 until the watchdog bit, at every boot, though the state disk was known by its serial number and
/// the machine, an installed one, had no seed disk to be found.
#[test]
fn a_disk_that_never_answers_is_not_read_where_the_kernel_knows_the_state_disk() {
    for named in [false, true] {
        let fake = Fake::machine();
        fake.world().lists.insert("/sys/class/block", vec!["sdz", "vda"]);
        fake.world().silent.insert("sdz");
        if named {
            fake.world().files.remove("/sys/class/block/vda/serial");
            let uevent = b"PARTNAME=minos-state\n".to_vec();
            fake.world().files.insert("/sys/class/block/vda/uevent".into(), uevent);
        }
        let mut runtime = start(&fake);
        run_for(&mut runtime, &fake, 10_000);
        assert_eq!(runtime.machine().name(), "running", "{}", fake.world().console_text());
        assert!(fake.world().mounted.contains(&"/state".into()));
        // A look at the state disk, its mount, the record, and the record of what was reached.
        assert!(looked_at(&fake).0 <= 6, "{:?}", looked_at(&fake));
        assert!(!fake.world().console_text().contains("sdz"));
    }
}

/// Only a label tells the state disk, and that has to be read: by a helper for each device, once, and who does not
/// answer is passed over.
#[test]
fn a_state_disk_is_found_by_its_label_beside_one_that_never_answers() {
    let fake = Fake::machine();
    fake.world().lists.insert("/sys/class/block", vec!["sdz", "vda", "vdb"]);
    fake.world().silent.insert("sdz");
    fake.world().files.remove("/sys/class/block/vda/serial");
    fake.world().files.insert("/dev/vda".into(), labelled("minos-state"));
    let mut runtime = start(&fake);
    let began = fake.world().now;
    run_for(&mut runtime, &fake, 10_000);
    assert_eq!(runtime.machine().name(), "running", "{}", fake.world().console_text());
    assert!(fake.world().mounted.contains(&"/state".into()), "{}", fake.world().console_text());
    let said = fake.world().console_text();
    assert_eq!(said.matches("/dev/sdz does not answer: passed over").count(), 1, "{said}");
    assert!(fake.world().spawned[0].0 - began < 1_500, "{:?}", fake.world().spawned[0]);
    let read = |name: &str| {
        let line = format!("read_file /dev/{name}");
        fake.world().log.iter().filter(|l| **l == line).count()
    };
    assert_eq!((read("sdz"), read("vda"), read("vdb")), (0, 2, 1), "before it is mounted as well");
    let off = go_down(&mut runtime, &fake, libc::SIGUSR2);
    assert!(off.is_clean());
}

/// Without any state disk each device is read once and not at each look; the wait for one goes on.
#[test]
fn devices_are_read_once_while_a_state_disk_is_waited_for() {
    let fake = Fake::machine();
    fake.world().files.insert("/proc/cmdline".into(), "minos.state=mine".into());
    fake.world().lists.insert("/sys/class/block", vec!["sdz", "vda", "vdb"]);
    fake.world().silent.insert("sdz");
    fake.world().files.insert("/dev/vda".into(), labelled("other"));
    let mut runtime = start(&fake);
    run_for(&mut runtime, &fake, 20_000);
    assert_eq!(runtime.machine().name(), "boot");
    assert_eq!(looked_at(&fake).0, 3, "{}", fake.world().console_text());
    assert!(looked_at(&fake).1 < 15_000);
    fake.world().lists.insert("/sys/class/block", vec!["sdz", "vda", "vdb", "vdc"]);
    fake.world().files.insert("/dev/vdc".into(), labelled("mine"));
    run_for(&mut runtime, &fake, 2_000);
    assert_eq!(runtime.machine().name(), "running", "{}", fake.world().console_text());
    assert!(fake.world().mounted.contains(&"/state".into()));
}

/// The state disk itself: it is there and cannot be used, which must not be hidden behind an empty tmpfs.
#[test]
fn a_state_disk_that_never_answers_opens_the_rescue_prompt() {
    let fake = Fake::machine();
    fake.world().silent.insert("vda");
    let mut runtime = start(&fake);
    run_for(&mut runtime, &fake, 70_000);
    assert_eq!(runtime.machine().name(), "rescue", "{}", fake.world().console_text());
    assert!(looked_at(&fake).1 < 15_000, "the watchdog was fed");
    go_down(&mut runtime, &fake, libc::SIGTERM);
}

#[test]
fn a_disk_that_appears_late_is_waited_for() {
    let fake = Fake::machine();
    fake.world().files.insert("/proc/cmdline".into(), "minos.state=minos-state".into());
    let serial = fake.world().files.remove("/sys/class/block/vda/serial").unwrap();
    let mut runtime = start(&fake);
    run_for(&mut runtime, &fake, 20_000);
    assert_eq!(runtime.machine().name(), "boot");
    fake.world().files.insert("/sys/class/block/vda/serial".into(), serial);
    run_for(&mut runtime, &fake, 2_000);
    assert_eq!(runtime.machine().name(), "running");
    assert!(fake.world().mounted.contains(&"/state".into()));
}

#[test]
fn a_stuck_console_stalls_nothing_and_says_what_it_lost() {
    let fake = Fake::machine();
    fake.world().console_full = true;
    fake.world().pkgd.ends_after = Some((20, Exit::Exited(1)));
    fake.world().files.insert("/proc/cmdline".into(), "minos.restart_limit=0".into());
    let mut runtime = start(&fake);
    run_for(&mut runtime, &fake, 3_600_000);
    assert!(fake.world().spawned.len() > 100, "pkgd must be started again and again");
    fake.world().console_full = false;
    run_for(&mut runtime, &fake, 1_000);
    assert!(fake.world().console_text().contains("dropped"), "{}", fake.world().console_text());
}

#[test]
fn the_watchdog_is_fed_by_the_loop_and_disarmed_last() {
    let fake = Fake::machine();
    let mut runtime = boot(&fake);
    run_for(&mut runtime, &fake, 600_000);
    let gaps =
        |w: &VecDeque<u64>| w.iter().zip(w.iter().skip(1)).map(|(a, b)| b - a).max().unwrap();
    let times: VecDeque<u64> = fake.world().fed.iter().map(|f| f.0).collect();
    assert!(gaps(&times) < 15_000, "time-out 30 s");
    let off = go_down(&mut runtime, &fake, libc::SIGUSR2);
    assert!(fake.world().fed.iter().all(|f| f.1 == 0), "armed until the very end");
    runtime.leave(off);
    assert_eq!(fake.world().fed.last().unwrap().1, b'V');
    let mut runtime = boot(&fake);
    let off = go_down(&mut runtime, &fake, libc::SIGTERM);
    runtime.leave(off);
    assert_eq!(fake.world().fed.last().unwrap().1, 0, "a reboot that hangs is cut too");
    assert_eq!(fake.world().reboots, [End::PowerOff, End::Reboot]);
}

/// Whatever happens, the machine boots or shows the rescue prompt, and goes down when asked.
fn survives(fault: Fault) {
    survives_within(&Fake::machine(), fault, boot_bound_ms());
}

/// The same, for any machine and the time it may take.
pub(crate) fn survives_within(fake: &Fake, fault: Fault, ms: u64) {
    fake.world().fault = fault;
    let mut runtime = start(fake);
    let off = run_for(&mut runtime, fake, ms);
    let name = runtime.machine().name();
    assert!(off.is_some() || ["running", "rescue"].contains(&name), "{fault:?}: {name}");
    fake.world().fault = Fault::Never;
    let off = off.unwrap_or_else(|| go_down(&mut runtime, fake, libc::SIGTERM));
    runtime.leave(off);
    assert!(!fake.world().reboots.is_empty());
}

#[test]
fn any_one_call_of_the_boot_may_fail() {
    let fake = Fake::machine();
    let _runtime = boot(&fake);
    let calls = fake.world().calls;
    assert!(calls > 100, "{calls}");
    for n in 1..=calls {
        for error in [Errno::EIO, Errno::EINTR, Errno::ENOMEM] {
            survives(Fault::Once(n, error));
        }
    }
}

#[test]
fn everything_may_fail_from_any_call_of_the_boot_on() {
    let fake = Fake::machine();
    let _runtime = boot(&fake);
    let calls = fake.world().calls;
    for n in (1..=calls).step_by(3) {
        survives(Fault::From(n, Errno::EIO));
    }
}

#[test]
fn any_one_call_of_the_way_down_may_fail_and_so_may_all_of_them() {
    let calls = {
        let fake = Fake::machine();
        let mut runtime = boot(&fake);
        let before = fake.world().calls;
        go_down(&mut runtime, &fake, libc::SIGTERM);
        fake.world().calls - before
    };
    for n in 1..=calls {
        for fault in [|n| Fault::Once(n, Errno::EIO), |n| Fault::From(n, Errno::ENOMEM)] {
            let fake = Fake::machine();
            let mut runtime = boot(&fake);
            fake.world().signals.push_back(libc::SIGTERM);
            let at = fake.world().calls + n;
            fake.world().fault = fault(at);
            let mut off = run_for(&mut runtime, &fake, stop_bound_ms() + 1_000);
            if off.is_none() {
                // The very call that takes the signal failed, for ever or with the signal lost.
                assert_ne!(runtime.machine().name(), "stop", "{n} {:?}", fault(at));
                fake.world().fault = Fault::Never;
                off = Some(go_down(&mut runtime, &fake, libc::SIGTERM));
            }
            assert!(off.is_some());
        }
    }
}
