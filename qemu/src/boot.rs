//! What PID 1 reports on its own port.

use std::os::unix::net::UnixStream;
use std::sync::mpsc::Sender;

use minos_proto::frame::{MAX_REQUEST, Reader};
use minos_proto::{BootEvent, Tag};

use crate::observe::Observation;

/// Reads events of init until the port is closed. Damaged and foreign frames are skipped: init
/// cannot be asked to repeat, and what it says next still counts.
pub(crate) fn read(port: UnixStream, to: &Sender<Observation>) {
    let mut reader = Reader::resyncing(port, MAX_REQUEST);
    while let Ok(frame) = reader.next_frame() {
        let event = (frame.tag == Tag::Boot).then(|| frame.decode::<BootEvent>());
        if let Some(Ok(event)) = event
            && to.send(Observation::Boot(event)).is_err()
        {
            return;
        }
    }
}

/// One line for people about an event.
pub fn describe(event: &BootEvent) -> String {
    match event {
        BootEvent::Phase { at_ms, phase } => format!("{} init: {phase}", clock(*at_ms)),
        BootEvent::Log { at_ms, text } => format!("{} init: {text}", clock(*at_ms)),
        BootEvent::LastBoot { text } => format!("last boot: {text}"),
        BootEvent::Restart { at_ms, service, status, delay_ms } => {
            let how = match status.checked_sub(256) {
                Some(signal) => format!("was killed by signal {signal}"),
                None => format!("exited with status {status}"),
            };
            format!("{} init: {service} {how}; starts again in {delay_ms} ms", clock(*at_ms))
        }
        BootEvent::Panic { text } => format!("init: PANIC: {text}"),
        BootEvent::Bye { at_ms, reboot, clean } => {
            let what = if *reboot { "reboot" } else { "power off" };
            let how = if *clean { "file systems are clean" } else { "NOT everything is unmounted" };
            format!("{} init: {what}, {how}", clock(*at_ms))
        }
        BootEvent::Generation { at_ms, generation, standing } => {
            format!("{} init: generation {generation} {standing}", clock(*at_ms))
        }
    }
}

fn clock(ms: u64) -> String {
    format!("[{:>4}.{:03}]", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;

    use minos_proto::{BootEvent, BootPhase, Tag, frame};

    use super::{describe, read};
    use crate::observe::Observation;

    #[test]
    fn damaged_frames_are_skipped_and_the_rest_is_read() {
        let (mut guest, host) = UnixStream::pair().unwrap();
        let phase = |phase| BootEvent::Phase { at_ms: 1, phase };
        let good = |p| frame::encode(Tag::Boot, &phase(p)).unwrap();
        let mut bad = good(BootPhase::Mounted);
        *bad.last_mut().unwrap() ^= 1;
        for bytes in [good(BootPhase::Start), bad, b"noise".to_vec(), good(BootPhase::Ready)] {
            guest.write_all(&bytes).unwrap();
        }
        // A frame of another kind does not belong here.
        frame::write(&mut guest, Tag::Hello, &1_u8).unwrap();
        drop(guest);
        let (to, seen) = mpsc::channel();
        read(host, &to);
        drop(to);
        let expected = [BootPhase::Start, BootPhase::Ready].map(|p| Observation::Boot(phase(p)));
        assert_eq!(seen.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_signal_is_not_called_an_exit() {
        let restart = |status| BootEvent::Restart {
            at_ms: 1500,
            service: "pkgd".try_into().unwrap(),
            status,
            delay_ms: 100,
        };
        assert!(describe(&restart(265)).contains("killed by signal 9"));
        assert!(describe(&restart(1)).contains("exited with status 1"));
        assert!(describe(&restart(1)).starts_with("[   1.500]"));
    }
}
