//! The control port: one byte stream to the host, without connections.
//!
//! A virtio-console port (or a UART) does not tell when a client comes or goes: a hello starts anew,
//! and a reader that meets garbage looks for the next frame. Whoever holds the other end holds the
//! machine, so it has the role of root.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use minos_proto::frame::{self, MAX_REQUEST, Reader};
use minos_proto::{FrameError, Role, Tag};

use super::session::Session;
use crate::service::{Peer, Service};

/// Pause before looking again whether the host has opened its end.
const POLL: Duration = Duration::from_millis(200);

/// The writing end of the port, for events that nobody asked for.
#[derive(Debug, Clone)]
pub struct Port(Arc<Mutex<File>>);

impl Port {
    /// Sends one frame; waits until the host takes it.
    ///
    /// # Errors
    /// As [`frame::write`].
    pub fn send<T: serde::Serialize>(&mut self, tag: Tag, value: &T) -> Result<(), FrameError> {
        frame::write(self, tag, value)
    }
}

/// For [`Session`], which writes whole frames.
impl Write for Port {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    /// Whole frames only: two writers must not mix theirs.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader that waits where a port reports "nobody there" as the end of the file.
struct Patient(File);

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Ok(0) => thread::sleep(POLL),
                other => return other,
            }
        }
    }
}

/// Opens the port at `path` and serves it on a thread of its own.
///
/// # Errors
/// The path and the system's error.
pub fn open_port(service: &Arc<Service>, path: &Path) -> Result<Port, (PathBuf, io::Error)> {
    let on = |e| (path.to_owned(), e);
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(on)?;
    let reader = Reader::resyncing(Patient(file.try_clone().map_err(on)?), MAX_REQUEST);
    let port = Port(Arc::new(Mutex::new(file)));
    let peer = Peer { role: Role::Admin, uid: 0, pid: 0, client: String::new() };
    let session = Session::new(Arc::clone(service), peer, port.clone()).persistent();
    thread::spawn(move || session.serve(reader));
    Ok(port)
}
