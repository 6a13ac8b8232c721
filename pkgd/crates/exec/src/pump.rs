//! Carries a phase's output to the log and watches its deadlines.

use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::classify::Stop;
use crate::task::Limits;

/// How often the slow checks (free space, cancel, progress) run.
const TICK: Duration = Duration::from_millis(200);
/// Bytes read at once; also what one channel slot holds.
const CHUNK: usize = 64 << 10;
/// Chunks that may wait for the log before the reader, and so the script, has to wait.
const QUEUE: usize = 16;
/// A phase that has run this long does not mind a pause at its end.
const LONG: Duration = Duration::from_millis(500);
/// Rest between two reads in a long phase: `make` writes line by line, and to wake two threads for each line
/// cost up to 1 % of the build. Shorter than anybody reads, and a full pipe is not reached by it.
const REST: Duration = Duration::from_millis(20);
/// How long to go on reading after the tree was killed: an open end in a process the kernel cannot
/// kill at once (uninterruptible sleep) must not hang pkgd.
const DRAIN: Duration = Duration::from_secs(10);

/// What the pump asks of its caller.
pub trait Host {
    /// Takes output.
    ///
    /// # Errors
    /// An error stops the phase: a log that cannot be written must not pass for an empty one.
    fn output(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Called about five times a second; `Some` stops the phase.
    fn tick(&mut self, elapsed: Duration) -> Option<Stop>;
    /// Kills the whole tree.
    fn kill(&mut self);
}

/// How the output ended.
#[derive(Debug, Default)]
pub struct Pumped {
    /// Why the pump stopped the phase, where it did.
    pub stop: Option<Stop>,
    /// Bytes of output.
    pub bytes: u64,
    /// The last bytes, for the failure's one-line story.
    pub tail: Vec<u8>,
    /// The log could not be written.
    pub log_error: Option<io::Error>,
}

/// Reads `pipe` to its end. `already` bytes of this attempt's log were used by earlier phases.
pub fn pump(pipe: File, limits: &Limits, already: u64, host: &mut dyn Host) -> Pumped {
    let chunks = reader(pipe);
    let start = Instant::now();
    let mut last_output = start;
    let mut last_tick = start;
    let mut pumped = Pumped::default();
    let mut killed_at = None::<Instant>;
    loop {
        match chunks.recv_timeout(TICK) {
            Ok(chunk) => {
                last_output = Instant::now();
                pumped.take(&chunk, limits, already, host);
            }
            Err(RecvTimeoutError::Disconnected) => return pumped,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        if now - last_tick >= TICK && pumped.stop.is_none() {
            last_tick = now;
            pumped.stop = host.tick(now - start).or_else(|| {
                let over = |since, limit| now.duration_since(since) >= limit;
                if over(start, limits.wall) {
                    Some(Stop::Wall)
                } else if over(last_output, limits.silence) {
                    Some(Stop::Silence)
                } else {
                    None
                }
            });
        }
        match killed_at {
            None if pumped.stop.is_some() || pumped.log_error.is_some() => {
                host.kill();
                killed_at = Some(now);
            }
            Some(at) if now - at > DRAIN => return pumped,
            _ => {}
        }
    }
}

impl Pumped {
    fn take(&mut self, chunk: &[u8], limits: &Limits, already: u64, host: &mut dyn Host) {
        let room = limits.log_bytes.saturating_sub(already + self.bytes);
        let keep = usize::try_from(room).map_or(chunk.len(), |room| room.min(chunk.len()));
        if keep < chunk.len() && self.stop.is_none() {
            self.stop = Some(Stop::LogLimit);
        }
        self.bytes += keep as u64;
        self.tail.extend_from_slice(&chunk[..keep]);
        let excess = self.tail.len().saturating_sub(4096);
        self.tail.drain(..excess);
        if self.log_error.is_none()
            && let Err(e) = host.output(&chunk[..keep])
        {
            self.log_error = Some(e);
        }
    }
}

/// A thread that reads, so that deadlines do not depend on output arriving.
fn reader(mut pipe: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = sync_channel(QUEUE);
    thread::spawn(move || {
        let mut buffer = vec![0; CHUNK];
        let start = Instant::now();
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) if sender.send(buffer[..n].to_vec()).is_err() => return,
                Ok(n) if n < CHUNK / 4 && start.elapsed() > LONG => thread::sleep(REST),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use super::{Host, Pumped, pump};
    use crate::classify::Stop;
    use crate::task::Limits;

    /// Ends the output when killed, as a sandbox does.
    #[derive(Default)]
    struct Fake {
        log: Vec<u8>,
        writer: Option<io::PipeWriter>,
        stop: Option<Stop>,
        full: bool,
    }

    impl Host for Fake {
        fn output(&mut self, bytes: &[u8]) -> io::Result<()> {
            if self.full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.log.extend_from_slice(bytes);
            Ok(())
        }
        fn tick(&mut self, _: Duration) -> Option<Stop> {
            self.stop
        }
        fn kill(&mut self) {
            self.writer = None;
        }
    }

    fn run(mut fake: Fake, limits: &Limits, text: &[u8], close: bool) -> (Pumped, Fake) {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(text).unwrap();
        fake.writer = (!close).then_some(writer);
        let pumped = pump(File::from(OwnedFd::from(reader)), limits, 0, &mut fake);
        (pumped, fake)
    }

    #[test]
    fn output_reaches_the_log_whole() {
        let (pumped, fake) = run(Fake::default(), &Limits::default(), b"hello\n", true);
        assert_eq!((pumped.stop, pumped.bytes), (None, 6));
        assert_eq!((fake.log, pumped.tail), (b"hello\n".to_vec(), b"hello\n".to_vec()));
    }

    #[test]
    fn each_deadline_has_its_own_name() {
        let short = Duration::from_millis(50);
        let silent = Limits { silence: short, ..Limits::default() };
        assert_eq!(run(Fake::default(), &silent, b"x", false).0.stop, Some(Stop::Silence));
        let slow = Limits { wall: short, ..Limits::default() };
        assert_eq!(run(Fake::default(), &slow, b"x", false).0.stop, Some(Stop::Wall));
        let fake = Fake { stop: Some(Stop::Cancelled), ..Fake::default() };
        assert_eq!(run(fake, &Limits::default(), b"x", false).0.stop, Some(Stop::Cancelled));
    }

    #[test]
    fn a_flooded_log_is_cut_at_its_limit() {
        let limits = Limits { log_bytes: 10, ..Limits::default() };
        let (pumped, fake) = run(Fake::default(), &limits, b"0123456789abcdef", false);
        assert_eq!((pumped.stop, fake.log.len()), (Some(Stop::LogLimit), 10));
    }

    #[test]
    fn a_log_that_cannot_be_written_stops_the_phase() {
        let fake = Fake { full: true, ..Fake::default() };
        let (pumped, _) = run(fake, &Limits::default(), b"x", false);
        assert!(pumped.log_error.is_some());
    }
}
