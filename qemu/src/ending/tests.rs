//! Recorded runs and what they are.

use minos_proto::{BootEvent, BootPhase, Verdict};
use serde_json::json;

use super::{Ending, Evidence, Status, classify};
use crate::observe::{Exit, HostAct, Observation, QmpEvent};
use crate::panic::Pid1;

fn serial(text: &str) -> Observation {
    Observation::Serial(text.as_bytes().to_vec())
}

fn shutdown(reason: &str) -> Observation {
    let data = json!({"guest": reason.starts_with("guest"), "reason": reason});
    Observation::Qmp(QmpEvent { name: "SHUTDOWN".into(), data })
}

fn qmp(name: &str) -> Observation {
    Observation::Qmp(QmpEvent { name: name.into(), data: json!({}) })
}

fn phase(phase: BootPhase) -> Observation {
    Observation::Boot(BootEvent::Phase { at_ms: 0, phase })
}

fn bye(reboot: bool) -> Observation {
    Observation::Boot(BootEvent::Bye { at_ms: 0, reboot, clean: true })
}

fn verdict(success: bool) -> Verdict {
    Verdict {
        success,
        target: "quick".into(),
        summary: "2 built".into(),
        built: 2,
        cached: 0,
        failed: vec![],
        wall_ms: 1,
    }
}

fn said(success: bool) -> Observation {
    Observation::Verdict(verdict(success))
}

fn exited(code: i32) -> Observation {
    Observation::Exited(Exit { code: Some(code), ..Exit::default() })
}

fn killed(signal: i32) -> Observation {
    Observation::Exited(Exit { signal: Some(signal), ..Exit::default() })
}

const INIT_DIED: &str =
    "[    1.6] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\r\n";

fn init_died() -> Ending {
    let text = "PID 1 was killed by signal 11 (SIGSEGV)".into();
    Ending::GuestPanic { text, pid1: Some(Pid1::Killed(11)) }
}

#[test]
fn verdicts_count_when_the_machine_ends_in_order() {
    for success in [true, false] {
        let end = [phase(BootPhase::Ready), said(success), bye(false), shutdown("guest-shutdown")];
        let ending = classify(&[&end[..], &[exited(0)]].concat());
        assert_eq!(ending, Ending::Verdict(verdict(success)));
        assert_eq!(Status::from(&ending) as u8, u8::from(!success));
    }
    let reboot =
        [phase(BootPhase::Ready), said(true), bye(true), shutdown("guest-reset"), exited(0)];
    assert_eq!(classify(&reboot), Ending::Verdict(verdict(true)));
}

#[test]
fn no_verdict_is_never_a_success() {
    let off = [phase(BootPhase::Ready), bye(false), shutdown("guest-shutdown"), exited(0)];
    assert_eq!(classify(&off), Ending::PoweredOffWithoutVerdict);
    let reboot = [phase(BootPhase::Ready), bye(true), shutdown("guest-reset"), exited(0)];
    assert_eq!(classify(&reboot), Ending::Rebooted { announced: true });
    let reset = [phase(BootPhase::Ready), said(true), shutdown("guest-reset"), exited(0)];
    assert_eq!(classify(&reset), Ending::Rebooted { announced: false }, "reset behind its back");
}

/// QEMU ends with status 0 for all three, and the reason is `guest-reset` for two of them.
#[test]
fn a_panic_is_told_from_a_reboot_and_from_a_power_off() {
    let by_text = [serial(INIT_DIED), shutdown("guest-reset"), exited(0)];
    assert_eq!(classify(&by_text), init_died());
    let by_device = [serial(INIT_DIED), qmp("GUEST_PANICKED"), shutdown("guest-panic"), exited(0)];
    assert_eq!(classify(&by_device), init_died());
    let mute = classify(&[qmp("GUEST_PANICKED"), shutdown("guest-panic"), exited(0)]);
    assert!(matches!(&mute, Ending::GuestPanic { text, pid1: None } if text.contains("not show")));
    let only_reason = classify(&[shutdown("guest-panic"), exited(0)]);
    assert!(matches!(only_reason, Ending::GuestPanic { .. }));
    let own_words =
        Observation::Boot(BootEvent::Panic { text: "main.rs:7: boom".try_into().unwrap() });
    let ending = classify(&[own_words, shutdown("guest-reset"), exited(0)]);
    assert!(matches!(&ending, Ending::GuestPanic { text, .. } if text.contains("main.rs:7")));
}

#[test]
fn a_panic_after_a_success_is_a_panic() {
    let end = [said(true), serial(INIT_DIED), shutdown("guest-reset"), exited(0)];
    assert_eq!(classify(&end), init_died());
}

#[test]
fn the_text_of_a_panic_may_come_in_pieces() {
    let end: Vec<_> = INIT_DIED
        .as_bytes()
        .chunks(7)
        .map(|piece| Observation::Serial(piece.to_vec()))
        .chain([shutdown("guest-reset"), exited(0)])
        .collect();
    assert_eq!(classify(&end), init_died());
}

#[test]
fn the_watchdog_is_named_but_a_panic_before_it_is_the_cause() {
    let bitten = [qmp("WATCHDOG"), shutdown("guest-reset"), exited(0)];
    assert_eq!(classify(&bitten), Ending::Watchdog);
    assert_eq!(classify(&[&[serial(INIT_DIED)], &bitten[..]].concat()), init_died());
    // The launcher found the silence at the moment the watchdog did: the guest's own word counts.
    let both = [qmp("WATCHDOG"), Observation::Host(HostAct::Silence), killed(9)];
    assert_eq!(classify(&both), Ending::Watchdog);
}

#[test]
fn what_the_host_did_is_not_blamed_on_the_guest() {
    use HostAct::{Interrupted, Killed, PowerCut, Silence, TimedOut};
    let ending = |act| classify(&[serial("login: "), Observation::Host(act), killed(9)]);
    assert_eq!(ending(PowerCut), Ending::PowerCut);
    assert_eq!(ending(Killed), Ending::Killed);
    assert_eq!(ending(Interrupted), Ending::Interrupted);
    assert_eq!(ending(TimedOut), Ending::TimedOut { phase: None });
    assert_eq!(ending(Silence), Ending::Silence { last_output: "login:".into() });
    // The watcher kills what fell silent; the kill does not replace the reason.
    let order = [Observation::Host(Silence), Observation::Host(Killed), killed(9)];
    assert!(matches!(classify(&order), Ending::Silence { .. }));
    assert_eq!(classify(&[killed(9)]), Ending::Killed, "by somebody else");
    assert_eq!(classify(&[said(true), shutdown("host-qmp-quit"), exited(0)]), Ending::Killed);
}

#[test]
fn a_panic_explains_the_silence_after_it() {
    let end = [serial(INIT_DIED), Observation::Host(HostAct::Silence), killed(9)];
    assert_eq!(classify(&end), init_died());
}

#[test]
fn qemu_failing_is_not_the_guest_failing() {
    let exit = Exit { code: Some(1), signal: None, stderr: "no such disk\n".into() };
    let ending = classify(&[Observation::Exited(exit)]);
    assert!(matches!(&ending, Ending::QemuFailed { stderr } if stderr.contains("no such disk")));
    let crashed = classify(&[said(true), killed(11)]);
    assert!(matches!(&crashed, Ending::QemuFailed { stderr } if stderr.contains("signal 11")));
    assert!(matches!(classify(&[]), Ending::QemuFailed { .. }));
}

#[test]
fn a_reboot_that_is_carried_out_clears_what_ended_the_boot_before() {
    let mut evidence = Evidence::default();
    for seen in [
        phase(BootPhase::Start),
        serial(INIT_DIED),
        qmp("GUEST_PANICKED"),
        qmp("WATCHDOG"),
        qmp("RESET"),
        phase(BootPhase::Start),
        said(true),
        bye(false),
        shutdown("guest-shutdown"),
        exited(0),
    ] {
        evidence.see(&seen);
    }
    assert_eq!(evidence.ending(), Ending::Verdict(verdict(true)));
    assert_eq!(evidence.boots, 2);
}

#[test]
fn the_last_line_is_readable_and_bounded() {
    let mut evidence = Evidence::default();
    evidence.see(&serial("one\r\n\x1b[1mtwo\x07 > "));
    assert_eq!(evidence.last_output(), "[1mtwo >");
    evidence.see(&serial("\r\n\r\n"));
    assert_eq!(evidence.last_output(), "[1mtwo >");
    evidence.see(&Observation::Serial(vec![b'x'; 100_000]));
    assert!(evidence.last_output().len() <= super::LONGEST_LINE);
    evidence.see(&Observation::Serial(vec![0xff, 0xfe, b'\n']));
}

#[test]
fn statuses_are_distinct() {
    let mut all: Vec<u8> = [
        Ending::Verdict(verdict(true)),
        Ending::Verdict(verdict(false)),
        Ending::PoweredOffWithoutVerdict,
        Ending::Rebooted { announced: true },
        Ending::GuestPanic { text: String::new(), pid1: None },
        Ending::Silence { last_output: String::new() },
        Ending::Watchdog,
        Ending::PowerCut,
        Ending::Killed,
        Ending::QemuFailed { stderr: String::new() },
        Ending::TimedOut { phase: None },
        Ending::Interrupted,
    ]
    .iter()
    .map(|e| Status::from(e) as u8)
    .collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
    assert!(!all.contains(&(Status::Usage as u8)));
}
