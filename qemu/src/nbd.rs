//! Serves a [`Volatile`] disk to QEMU as a network block device over a Unix socket.
//!
//! The baseline of the NBD protocol (`doc/proto.md` of the nbd project): fixed newstyle handshake,
//! the option `GO`, simple replies, the commands read, write, flush and disconnect, the flag FUA.
//! Every other option is answered "unsupported", which QEMU accepts.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::error::Error;
use crate::volatile::{Denied, SECTOR, Volatile};

const MAGIC: u64 = 0x4e42_444d_4147_4943; // "NBDMAGIC"
const OPTION: u64 = 0x4948_4156_454f_5054; // "IHAVEOPT"
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;

/// Handshake flags: fixed newstyle, no trailing zeroes.
const HANDSHAKE: u16 = 0b11;
/// Transmission flags: flags present, flush and FUA understood.
const FLAGS: u16 = 1 | 1 << 2 | 1 << 3;

const OPT_ABORT: u32 = 2;
const OPT_INFO: u32 = 6;
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_INFO: u32 = 3;
const REP_UNSUPPORTED: u32 = 0x8000_0001;
const INFO_EXPORT: u16 = 0;
const INFO_BLOCK_SIZE: u16 = 3;

const CMD_READ: u16 = 0;
const CMD_WRITE: u16 = 1;
const CMD_DISCONNECT: u16 = 2;
const CMD_FLUSH: u16 = 3;
const CMD_FUA: u16 = 1;

/// The largest request answered, in bytes; also announced to the client.
const MAX_REQUEST: u32 = 32 << 20;

/// A disk that is served until the last clone of this handle and its connections are gone.
#[derive(Debug, Clone)]
pub struct Served(Arc<Mutex<Volatile>>);

impl Served {
    /// Serves `disk` at `path` in threads of its own. `on_cut` is called when a planned cut happens.
    ///
    /// # Errors
    /// [`Error::Io`] when the socket cannot be made.
    pub fn start(
        disk: Volatile,
        path: &Path,
        on_cut: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let listener = UnixListener::bind(path).map_err(Error::io("listen on", path))?;
        let served = Self(Arc::new(Mutex::new(disk)));
        let ours = served.clone();
        let serve = move || {
            // QEMU connects once. A second connection would be a second writer: there is none.
            if let Ok((client, _)) = listener.accept() {
                drop(listener);
                // An error ends the connection; the guest sees its disk fail, which says it all.
                let _ = Connection { client, disk: ours, on_cut: &on_cut }.run();
            }
        };
        thread::Builder::new().name("nbd".into()).spawn(serve).map_err(Error::io("serve", path))?;
        Ok(served)
    }

    /// The disk, locked: requests of the guest wait meanwhile.
    pub fn disk(&self) -> MutexGuard<'_, Volatile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Connection<'a> {
    client: UnixStream,
    disk: Served,
    on_cut: &'a dyn Fn(),
}

impl Connection<'_> {
    fn run(mut self) -> io::Result<()> {
        if self.negotiate()? {
            while self.serve_one()? {}
        }
        Ok(())
    }

    /// The handshake. `false` when the client gave up.
    fn negotiate(&mut self) -> io::Result<bool> {
        let mut greeting = Vec::new();
        greeting.extend(MAGIC.to_be_bytes());
        greeting.extend(OPTION.to_be_bytes());
        greeting.extend(HANDSHAKE.to_be_bytes());
        self.client.write_all(&greeting)?;
        let _flags: [u8; 4] = self.take()?;
        loop {
            if u64::from_be_bytes(self.take()?) != OPTION {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let option = u32::from_be_bytes(self.take()?);
            let length = u32::from_be_bytes(self.take()?);
            if length > 4096 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut data = vec![0; length as usize];
            self.client.read_exact(&mut data)?;
            match option {
                OPT_GO | OPT_INFO => {
                    self.export(option)?;
                    if option == OPT_GO {
                        return Ok(true);
                    }
                }
                OPT_ABORT => {
                    self.option_reply(option, REP_ACK, &[])?;
                    return Ok(false);
                }
                _ => self.option_reply(option, REP_UNSUPPORTED, &[])?,
            }
        }
    }

    /// Describes the disk: whatever its name, there is only one.
    fn export(&mut self, option: u32) -> io::Result<()> {
        let mut export = Vec::from(INFO_EXPORT.to_be_bytes());
        export.extend(self.disk.disk().size().to_be_bytes());
        export.extend(FLAGS.to_be_bytes());
        self.option_reply(option, REP_INFO, &export)?;
        let mut sizes = Vec::from(INFO_BLOCK_SIZE.to_be_bytes());
        for size in [SECTOR as u32, 4096, MAX_REQUEST] {
            sizes.extend(size.to_be_bytes());
        }
        self.option_reply(option, REP_INFO, &sizes)?;
        self.option_reply(option, REP_ACK, &[])
    }

    fn option_reply(&mut self, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
        let mut reply = Vec::from(OPTION_REPLY.to_be_bytes());
        for word in [option, kind, data.len() as u32] {
            reply.extend(word.to_be_bytes());
        }
        reply.extend(data);
        self.client.write_all(&reply)
    }

    /// One request. `false` when the client is done, or the power is off.
    fn serve_one(&mut self) -> io::Result<bool> {
        if u32::from_be_bytes(self.take()?) != REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let flags = u16::from_be_bytes(self.take()?);
        let command = u16::from_be_bytes(self.take()?);
        let cookie: [u8; 8] = self.take()?;
        let offset = u64::from_be_bytes(self.take()?);
        let length = u32::from_be_bytes(self.take()?);
        if length > MAX_REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut data = vec![0; if command < CMD_DISCONNECT { length as usize } else { 0 }];
        if command == CMD_WRITE {
            self.client.read_exact(&mut data)?;
        }
        let done = match command {
            CMD_READ => self.disk.disk().read(offset, &mut data),
            CMD_WRITE => self.disk.disk().write(offset, &data, flags & CMD_FUA != 0),
            CMD_FLUSH => self.disk.disk().flush(),
            CMD_DISCONNECT => return Ok(false),
            _ => Err(Denied::Errno(libc::EINVAL)),
        };
        self.answer(done, cookie, if command == CMD_READ { &data } else { &[] })
    }

    fn answer(
        &mut self,
        done: Result<(), Denied>,
        cookie: [u8; 8],
        data: &[u8],
    ) -> io::Result<bool> {
        let errno = match done {
            Ok(()) => 0,
            Err(Denied::Errno(errno)) => errno as u32,
            Err(off) => {
                if matches!(off, Denied::JustCut) {
                    (self.on_cut)();
                }
                return self.stay_silent();
            }
        };
        let mut reply = Vec::with_capacity(16 + data.len());
        reply.extend(REPLY.to_be_bytes());
        reply.extend(errno.to_be_bytes());
        reply.extend(cookie);
        if errno == 0 {
            reply.extend(data);
        }
        self.client.write_all(&reply).map(|()| true)
    }

    /// A disk without power does not answer, it does not fail either: swallows requests until QEMU
    /// is killed, so that the guest cannot act on what a closed connection would tell it.
    fn stay_silent(&mut self) -> io::Result<bool> {
        io::copy(&mut self.client, &mut io::sink()).map(|_| false)
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.client.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;

    use super::{OPTION, REPLY, REQUEST, Served};
    use crate::volatile::{CutAt, SECTOR, Survivors, Volatile};

    struct Client {
        stream: UnixStream,
        _tmp: tempfile::TempDir,
        served: Served,
        cuts: mpsc::Receiver<()>,
    }

    fn connect() -> Client {
        let tmp = tempfile::tempdir().unwrap();
        let (image, socket) = (tmp.path().join("image"), tmp.path().join("nbd.sock"));
        std::fs::write(&image, [0; 8 * SECTOR]).unwrap();
        let (cut, cuts) = mpsc::channel();
        let disk = Volatile::open(&image).unwrap();
        let served = Served::start(disk, &socket, move || cut.send(()).unwrap()).unwrap();
        let stream = UnixStream::connect(&socket).unwrap();
        Client { stream, _tmp: tmp, served, cuts }
    }

    impl Client {
        fn option(&mut self, number: u32) {
            self.stream.write_all(&OPTION.to_be_bytes()).unwrap();
            self.stream.write_all(&number.to_be_bytes()).unwrap();
            self.stream.write_all(&0_u32.to_be_bytes()).unwrap();
        }

        fn read(&mut self, n: usize) -> Vec<u8> {
            let mut bytes = vec![0; n];
            self.stream.read_exact(&mut bytes).unwrap();
            bytes
        }

        /// Takes the handshake; asks for one unknown option first, as newer QEMUs do.
        fn go(&mut self) {
            assert_eq!(&self.read(16), b"NBDMAGICIHAVEOPT");
            self.read(2);
            self.stream.write_all(&3_u32.to_be_bytes()).unwrap();
            self.option(8);
            assert_eq!(self.read(20)[12..16], 0x8000_0001_u32.to_be_bytes());
            self.option(7);
            let export = self.read(20 + 12);
            assert_eq!(export[22..30], (8 * SECTOR as u64).to_be_bytes());
            self.read(20 + 14);
            assert_eq!(self.read(20)[12..16], 1_u32.to_be_bytes());
        }

        fn request(&mut self, command: u16, flags: u16, offset: u64, length: u32, data: &[u8]) {
            let mut bytes = Vec::from(REQUEST.to_be_bytes());
            bytes.extend(flags.to_be_bytes());
            bytes.extend(command.to_be_bytes());
            bytes.extend([9; 8]);
            bytes.extend(offset.to_be_bytes());
            bytes.extend(length.to_be_bytes());
            bytes.extend(data);
            self.stream.write_all(&bytes).unwrap();
        }

        /// The error number of a reply.
        fn errno(&mut self) -> u32 {
            let reply = self.read(16);
            assert_eq!(reply[..4], REPLY.to_be_bytes());
            assert_eq!(reply[8..], [9; 8]);
            u32::from_be_bytes(reply[4..8].try_into().unwrap())
        }
    }

    #[test]
    fn writes_are_read_back_and_flushed() {
        let mut c = connect();
        c.go();
        c.request(1, 0, 512, 512, &[5; 512]);
        assert_eq!(c.errno(), 0);
        c.request(0, 0, 512, 512, &[]);
        assert_eq!(c.errno(), 0);
        assert_eq!(c.read(512), [5; 512]);
        assert_eq!(c.served.disk().unflushed(), 512);
        c.request(3, 0, 0, 0, &[]);
        assert_eq!(c.errno(), 0);
        assert_eq!(c.served.disk().unflushed(), 0);
        c.request(1, 1, 0, 512, &[6; 512]);
        assert_eq!(c.errno(), 0);
        assert_eq!(c.served.disk().unflushed(), 0, "FUA");
    }

    #[test]
    fn bad_requests_get_an_error_and_the_connection_lives() {
        let mut c = connect();
        c.go();
        c.request(0, 0, 1 << 40, 512, &[]);
        assert_eq!(c.errno(), libc::EINVAL as u32);
        c.request(77, 0, 0, 0, &[]);
        assert_eq!(c.errno(), libc::EINVAL as u32);
        c.request(0, 0, 0, 512, &[]);
        assert_eq!(c.errno(), 0);
    }

    #[test]
    fn a_planned_cut_is_reported_and_nothing_is_answered() {
        let mut c = connect();
        c.go();
        c.served.disk().cut_at(CutAt::Write(2), Survivors::None);
        c.request(1, 0, 0, 512, &[1; 512]);
        assert_eq!(c.errno(), 0);
        c.request(1, 0, 0, 512, &[2; 512]);
        c.cuts.recv().unwrap();
        c.request(0, 0, 0, 512, &[]);
        c.stream.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        assert!(c.stream.read(&mut [0; 1]).is_err(), "no answer, and no end of the connection");
    }

    #[test]
    fn noise_instead_of_a_handshake_ends_the_connection() {
        let mut c = connect();
        c.read(18);
        c.stream.write_all(&[0x55; 64]).unwrap();
        let mut rest = Vec::new();
        // Closed, or reset because bytes of ours were left unread.
        assert!(c.stream.read_to_end(&mut rest).is_err() || rest.is_empty());
    }
}
