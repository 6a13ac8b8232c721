//! The serial console, shared: one line to the guest, a log, and any number of people.
//!
//! QEMU gives its end of a serial line to one client. The launcher is that client: it writes all
//! output to the log, keeps the last of it in memory, and serves `console.sock`, where each client
//! first gets the last screenful and then everything live. What clients type goes to the guest.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::Error;
use crate::observe::Observation;

/// How much output is kept in memory, in bytes.
const KEPT: usize = 64 << 10;
/// How much of it a new client sees first: about one screen.
const SCREENFUL: usize = 2 << 10;
/// A client that takes nothing for this long is cut off: it must not stall the guest.
const PATIENCE: Duration = Duration::from_millis(500);

/// The running console.
#[derive(Debug)]
pub struct Serial {
    shared: Arc<Shared>,
    console: std::path::PathBuf,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    line: UnixStream,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: VecDeque<u8>,
    clients: Vec<UnixStream>,
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Serial {
    /// Takes over `line`, writes to `log`, serves `console` and reports each piece of output.
    ///
    /// # Errors
    /// [`Error::Io`] when the log or the socket cannot be made.
    pub fn start(
        line: UnixStream,
        log: &Path,
        console: &Path,
        to: Sender<Observation>,
    ) -> Result<Self, Error> {
        let file = File::create(log).map_err(Error::io("create", log))?;
        let listener = UnixListener::bind(console).map_err(Error::io("listen on", console))?;
        let from = line.try_clone().map_err(Error::io("use", console))?;
        let shared = Arc::new(Shared { line, state: Mutex::default() });
        let ours = Arc::clone(&shared);
        let reader = spawn("serial", move || pump(from, file, &ours, &to))
            .map_err(Error::io("serve", console))?;
        let ours = Arc::clone(&shared);
        spawn("console", move || accept(&listener, &ours)).map_err(Error::io("serve", console))?;
        Ok(Self { shared, console: console.into(), reader: Some(reader) })
    }

    /// Types on the guest's console.
    ///
    /// # Errors
    /// When the line is closed.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.shared.line).write_all(bytes)
    }

    /// The last output, at most 64 KiB of it, as text.
    pub fn tail(&self) -> String {
        let mut state = self.shared.state();
        String::from_utf8_lossy(state.kept.make_contiguous()).into_owned()
    }

    /// Waits until all output has been read. Only after QEMU has ended.
    pub(crate) fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            // A panic of the reader loses output, nothing else.
            let _ = reader.join();
        }
    }
}

impl Drop for Serial {
    fn drop(&mut self) {
        let _ = self.shared.line.shutdown(Shutdown::Both);
        self.finish();
        // Wakes the acceptor, which then sees that the line is closed and ends.
        let _ = UnixStream::connect(&self.console);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(work)
}

/// From the guest to the log, to memory, to the observers, to the clients.
fn pump(mut from: UnixStream, mut log: File, shared: &Shared, to: &Sender<Observation>) {
    let mut buffer = [0; 4096];
    loop {
        let n = match from.read(&mut buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => break,
            Ok(n) => n,
        };
        let piece = &buffer[..n];
        // A full disk of the host must not end the guest's run: the log is an extra.
        let _ = log.write_all(piece);
        let _ = to.send(Observation::Serial(piece.to_vec()));
        shared.state().output(piece);
    }
    let mut state = shared.state();
    state.closed = true;
    for client in state.clients.drain(..) {
        let _ = client.shutdown(Shutdown::Both);
    }
}

impl State {
    fn output(&mut self, piece: &[u8]) {
        self.kept.extend(piece);
        let surplus = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..surplus);
        self.clients.retain(|mut client| {
            let taken = client.write_all(piece).is_ok();
            if !taken {
                let _ = client.shutdown(Shutdown::Both);
            }
            taken
        });
    }

    /// Adds a client after showing it the last screenful. The lock is held, so nothing is missed.
    fn attach(&mut self, mut client: UnixStream) -> io::Result<()> {
        client.set_write_timeout(Some(PATIENCE))?;
        let from = self.kept.len().saturating_sub(SCREENFUL);
        client.write_all(&self.kept.make_contiguous()[from..])?;
        self.clients.push(client);
        Ok(())
    }
}

fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let Ok(client) = client else { return };
        let mut state = shared.state();
        if state.closed {
            return;
        }
        // A client that is already gone again is of no interest.
        let Ok(typed) = client.try_clone() else { continue };
        if state.attach(client).is_ok() {
            let ours = Arc::clone(shared);
            let _ = spawn("console-in", move || type_in(typed, &ours));
        }
    }
}

/// From a client's keyboard to the guest.
fn type_in(mut from: UnixStream, shared: &Shared) {
    let mut buffer = [0; 256];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 || (&shared.line).write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;

    use super::{KEPT, SCREENFUL, Serial};
    use crate::observe::Observation;

    struct Bench {
        tmp: tempfile::TempDir,
        guest: UnixStream,
        serial: Serial,
        seen: mpsc::Receiver<Observation>,
    }

    fn bench() -> Bench {
        let tmp = tempfile::tempdir().unwrap();
        let (line, guest) = UnixStream::pair().unwrap();
        let (to, seen) = mpsc::channel();
        let (log, console) = (tmp.path().join("log"), tmp.path().join("c.sock"));
        let serial = Serial::start(line, &log, &console, to).unwrap();
        Bench { tmp, guest, serial, seen }
    }

    impl Bench {
        fn attach(&self) -> UnixStream {
            UnixStream::connect(self.tmp.path().join("c.sock")).unwrap()
        }
    }

    fn read_exactly(from: &mut UnixStream, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        from.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn all_clients_see_the_past_and_the_present() {
        let mut b = bench();
        b.guest.write_all(b"boot\n").unwrap();
        assert_eq!(b.seen.recv().unwrap(), Observation::Serial(b"boot\n".to_vec()));
        let (mut one, mut two) = (b.attach(), b.attach());
        assert_eq!(read_exactly(&mut one, 5), b"boot\n");
        assert_eq!(read_exactly(&mut two, 5), b"boot\n");
        b.guest.write_all(b"more").unwrap();
        assert_eq!(read_exactly(&mut one, 4), b"more");
        assert_eq!(read_exactly(&mut two, 4), b"more");
        one.write_all(b"ls\r").unwrap();
        assert_eq!(read_exactly(&mut b.guest, 3), b"ls\r");
        b.serial.send(b"x").unwrap();
        assert_eq!(read_exactly(&mut b.guest, 1), b"x");
        drop(b.guest);
        let mut rest = Vec::new();
        assert_eq!(two.read_to_end(&mut rest).unwrap(), 0, "the end of the line ends its clients");
        b.serial.finish();
        assert_eq!(std::fs::read(b.tmp.path().join("log")).unwrap(), b"boot\nmore");
        assert_eq!(b.serial.tail(), "boot\nmore");
    }

    #[test]
    fn memory_is_bounded_and_a_late_client_gets_a_screenful() {
        let b = bench();
        let flood = vec![b'x'; KEPT + 5000];
        let mut guest = b.guest.try_clone().unwrap();
        guest.write_all(&flood).unwrap();
        let mut seen = 0;
        while seen < flood.len() {
            let Observation::Serial(piece) = b.seen.recv().unwrap() else { panic!() };
            seen += piece.len();
        }
        // The observers hear of a piece before it is kept; the lock tells when that has happened.
        while b.serial.tail().len() < KEPT {
            std::thread::yield_now();
        }
        let mut late = b.attach();
        assert_eq!(read_exactly(&mut late, SCREENFUL), vec![b'x'; SCREENFUL]);
        guest.write_all(b"now").unwrap();
        assert_eq!(read_exactly(&mut late, 3), b"now");
        assert_eq!(b.serial.tail().len(), KEPT);
    }

    /// A client that stops reading once blocked the reader, and with it the guest's console.
    #[test]
    fn a_client_that_does_not_read_is_cut_off() {
        let mut b = bench();
        let _lazy = b.attach();
        let mut guest = b.guest.try_clone().unwrap();
        for _ in 0..64 {
            guest.write_all(&[b'y'; 64 << 10]).unwrap();
        }
        guest.write_all(b"end").unwrap();
        drop((guest, std::mem::replace(&mut b.guest, UnixStream::pair().unwrap().0)));
        b.serial.finish();
        assert!(b.serial.tail().ends_with("end"));
    }
}
