//! The last resort: init itself failed.
//!
//! A PID 1 that dies takes the machine with it without a word: `abort` in PID 1 does not even end
//! by SIGABRT. So a panic says where it was in one line a machine can read, tells the host, writes
//! the record, and reboots (in a container: exits). The watchdog stays armed.

use core::fmt::Write as _;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::panic::PanicHookInfo;
use std::sync::Mutex;

use heapless::String;
use minos_proto::BootEvent;
use minos_proto::frame::{Tag, encode_into};

use crate::bootrec::{Reason, Record};
use crate::console::{LINE, Line};
use crate::kernel::{Fd, Sys as _};
use crate::machine::End;
use crate::record;
use crate::ring::ENTRY;
use crate::sys::Linux;

/// The exit status after a panic in a container.
pub const EXIT_PANIC: i32 = 70;

static CONSOLE: AtomicI32 = AtomicI32::new(2);
static PORT: AtomicI32 = AtomicI32::new(-1);
static CONTAINER: AtomicBool = AtomicBool::new(false);
static RECORD: Mutex<Option<Record>> = Mutex::new(None);

/// Where the line goes.
pub fn set_console(fd: Fd) {
    CONSOLE.store(fd.0, Ordering::Relaxed);
}

/// Where the event goes.
pub fn set_port(fd: Fd) {
    PORT.store(fd.0, Ordering::Relaxed);
}

/// What is written, with the reason changed.
pub fn set_record(record: Option<Record>) {
    if let Ok(mut slot) = RECORD.try_lock() {
        *slot = record;
    }
}

/// Installs the hook.
pub fn install(container: bool) {
    CONTAINER.store(container, Ordering::Relaxed);
    std::panic::set_hook(Box::new(hook));
}

fn hook(info: &PanicHookInfo<'_>) {
    let text = describe(info);
    let Some(mut sys) = Linux::new() else { return };
    let mut line: String<{ LINE + 32 }> = String::new();
    let _ = write!(line, "\ninit: PANIC {text}\n");
    let _ = sys.write(Fd(CONSOLE.load(Ordering::Relaxed)), line.as_bytes());
    let mut frame = [0; ENTRY];
    if let Ok(n) = encode_into(Tag::Boot, &BootEvent::Panic { text }, &mut frame) {
        let _ = sys.write(Fd(PORT.load(Ordering::Relaxed)), &frame[..n]);
    }
    if CONTAINER.load(Ordering::Relaxed) {
        crate::sys::exit(EXIT_PANIC);
    }
    let record = RECORD.try_lock().ok().and_then(|r| *r);
    if let Some(r) = record.map(|r| r.ending(Reason::Panic).stamped(sys.wall_s())) {
        let _ = sys.write_durable(record::PATH, r.offset(), &r.encode());
    }
    sys.sync();
    loop {
        sys.reboot(End::Reboot);
        sys.sleep_ms(1_000);
    }
}

/// `file:line: message` in one line, cut to fit: an assertion's message has several.
fn describe(info: &PanicHookInfo<'_>) -> String<LINE> {
    let mut line = Line::default();
    if let Some(at) = info.location() {
        let _ = write!(line, "{}:{}: ", at.file(), at.line());
    }
    let payload = info.payload();
    let message = match payload.downcast_ref::<&str>() {
        Some(text) => text,
        None => payload.downcast_ref::<std::string::String>().map_or("no message", |s| s.as_str()),
    };
    let _ = line.write_str(message);
    line.0
}
