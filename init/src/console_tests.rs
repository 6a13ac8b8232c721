//! The log's readers, on a kernel made of memory.

use heapless::String;
use minos_proto::frame::{HEADER, encode};
use minos_proto::{BootEvent, BootPhase, Tag};

use super::{ENTRY, Journal, LINE};
use crate::cmdline::LogLevel::{Debug, Normal, Quiet};
use crate::fake::Fake;
use crate::kernel::{Open, Sys};

fn with_terminal() -> (Fake, Journal) {
    let mut fake = Fake::machine();
    let mut journal = Journal::new();
    let fd = fake.open("/dev/console", Open::Write).unwrap();
    assert_eq!(journal.open_terminal(fd), None);
    (fake, journal)
}

#[test]
fn what_was_said_before_there_was_a_console_is_shown_on_it() {
    let mut fake = Fake::machine();
    let mut journal = Journal::new();
    journal.say(5, Normal, format_args!("early"));
    journal.flush(&mut fake);
    let fd = fake.open("/dev/console", Open::Write).unwrap();
    journal.open_terminal(fd);
    journal.flush(&mut fake);
    assert_eq!(fake.world().console_text(), "init: early\n");
}

#[test]
fn the_level_decides_what_is_shown_and_a_replay_shows_all() {
    let (mut fake, mut journal) = with_terminal();
    journal.set_level(Quiet);
    journal.say(1, Debug, format_args!("one"));
    journal.say(2, Normal, format_args!("two"));
    journal.say(3, Quiet, format_args!("three"));
    journal.flush(&mut fake);
    assert_eq!(fake.world().console_text(), "init: three\n");
    journal.replay();
    journal.flush(&mut fake);
    assert!(fake.world().console_text().ends_with("init: one\ninit: two\ninit: three\n"));
}

#[test]
fn a_service_cannot_move_the_cursor_or_flood_a_line() {
    let (mut fake, mut journal) = with_terminal();
    journal.say(1, Normal, format_args!("\x1b[2Jgone\r\nnext {}", "x".repeat(500)));
    journal.flush(&mut fake);
    let text = fake.world().console_text();
    assert!(text.starts_with("init: ?[2Jgone??next x"), "{text}");
    assert_eq!(text.len(), LINE + "init: \n".len());
}

#[test]
fn a_full_terminal_loses_whole_lines_and_learns_how_many() {
    let (mut fake, mut journal) = with_terminal();
    fake.world().console_full = true;
    for i in 0..1000 {
        journal.say(i, Normal, format_args!("line {i}"));
        journal.flush(&mut fake);
    }
    assert!(journal.watch().is_some(), "the loop waits for room");
    fake.world().console_full = false;
    journal.flush(&mut fake);
    let text = fake.world().console_text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "init: line 0", "the line it was offered first");
    let dropped: usize = lines[1].split(' ').nth(4).unwrap().parse().unwrap();
    assert_eq!(lines[2], format!("init: line {}", dropped + 1));
    assert_eq!(lines.len(), 2 + 1000 - 1 - dropped);
    assert!(journal.watch().is_none());
}

#[test]
fn every_event_fits_into_the_ring() {
    let long: String<LINE> = "x".repeat(LINE).as_str().try_into().unwrap();
    let name: String<16> = "x".repeat(16).as_str().try_into().unwrap();
    let at_ms = u64::MAX;
    for event in [
        BootEvent::Phase { at_ms, phase: BootPhase::Stopped },
        BootEvent::Log { at_ms, text: long.clone() },
        BootEvent::LastBoot { text: long.clone() },
        BootEvent::Restart { at_ms, service: name, status: u16::MAX, delay_ms: u32::MAX },
        BootEvent::Panic { text: long },
        BootEvent::Bye { at_ms, reboot: true, clean: true },
    ] {
        let bytes = encode(Tag::Boot, &event).unwrap();
        assert!(bytes.len() > HEADER && bytes.len() <= ENTRY, "{event:?}: {}", bytes.len());
    }
}

/// The host once read every phase twice: as an event, and as a line of the log.
#[test]
fn a_phase_is_one_event_for_the_host_and_a_line_where_everything_is_shown() {
    for (level, shown) in [(Normal, ""), (Debug, "init: reached phase mounted\n")] {
        let (mut fake, mut journal) = with_terminal();
        journal.set_level(level);
        let fd = fake.open("/dev/vport1p1", Open::Write).unwrap();
        journal.open_port(fd);
        journal.phase(7, BootPhase::Mounted);
        journal.flush(&mut fake);
        assert_eq!(fake.world().console_text(), shown);
        let event = BootEvent::Phase { at_ms: 7, phase: BootPhase::Mounted };
        assert_eq!(fake.world().port, encode(Tag::Boot, &event).unwrap());
    }
}
