//! Takes connections: the Unix socket for programs on the machine, the control port for the host.

mod port;
mod session;

pub use port::{Port, open_port};
pub use session::SERVER;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use minos_proto::frame::{self, MAX_REQUEST, Reader};
use minos_proto::{ErrorKind, ErrorReport, Role, Tag};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::service::{Peer, Service};

/// Connections at once. Readers may use only half, so that they cannot shut root out.
const MAX_CLIENTS: usize = 32;
/// A client that does not take its answer for this long is let go.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Binds the socket at `path`, replacing the leftover of a killed daemon. The state's lock has been
/// taken before: no other daemon of the same root can be listening.
///
/// # Errors
/// The path that could not be made, and why.
pub fn bind(path: &Path) -> Result<UnixListener, (PathBuf, io::Error)> {
    let on = |e| (path.to_owned(), e);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| (parent.to_owned(), e))?;
    }
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(on(e)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(on)?;
    // Anyone may look; the role decides who may change.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(on)?;
    Ok(listener)
}

/// Serves connections until the process ends.
pub fn listen(service: &Arc<Service>, listener: &UnixListener) {
    let clients = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => accept(service, stream, &clients),
            // Out of descriptors or memory: give those who hold them time to finish.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn accept(service: &Arc<Service>, stream: UnixStream, clients: &Arc<AtomicUsize>) {
    let Ok(peer) = peer(&stream) else { return };
    let limit = if peer.role == Role::Admin { MAX_CLIENTS } else { MAX_CLIENTS / 2 };
    let taken = clients.fetch_add(1, Ordering::Relaxed);
    let slot = Slot(Arc::clone(clients));
    if taken >= limit {
        refuse(&stream);
        return;
    }
    let service = Arc::clone(service);
    thread::spawn(move || {
        let _slot = slot;
        let Ok(out) = stream.try_clone() else { return };
        if out.set_write_timeout(Some(WRITE_TIMEOUT)).is_ok() {
            session::Session::new(service, peer, out).serve(Reader::strict(stream, MAX_REQUEST));
        }
    });
}

/// Counts a connection while it lives.
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn refuse(mut stream: &UnixStream) {
    let report = ErrorReport::new(
        ErrorKind::Limit,
        "too many clients are connected",
        "close one, or try again in a moment",
    );
    let _ = frame::write(&mut stream, Tag::Refusal, &report);
}

/// Root and the user pkgd runs as may change things; everybody else may look.
fn peer(stream: &UnixStream) -> nix::Result<Peer> {
    let credentials = getsockopt(stream, PeerCredentials)?;
    let uid = credentials.uid();
    let admin = uid == 0 || uid == nix::unistd::geteuid().as_raw();
    let role = if admin { Role::Admin } else { Role::Reader };
    Ok(Peer { role, uid, pid: credentials.pid() })
}
