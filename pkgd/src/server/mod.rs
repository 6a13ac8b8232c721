//! Takes connections: the Unix socket for programs on the machine, the control port for the host.

mod port;
mod session;

pub use port::{Port, open_port};
pub use session::SERVER;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use minos_proto::frame::{self, MAX_REQUEST, Reader};
use minos_proto::{ErrorKind, ErrorReport, Role, Tag};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::service::{Peer, Service};

/// Connections at once of all users but root, whom they cannot shut out.
const MAX_READERS: usize = 32;
/// Connections at once of one such user, so that no user can shut the others out.
const MAX_OF_ONE: usize = 8;
/// Connections at once of root: enough for anybody, and an end to a script gone wild.
const MAX_ADMINS: usize = 64;
/// A client that does not take its answer for this long is let go.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Binds the socket at `path`, replacing the leftover of a killed daemon: a socket that nobody answers. No daemon of the
/// same root can, since the state's lock has been taken before, but one of another root that was given the same path.
///
/// # Errors
/// The path that could not be made, and why; something else is there.
pub fn bind(path: &Path) -> Result<UnixListener, (PathBuf, io::Error)> {
    let on = |e| (path.to_owned(), e);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| (parent.to_owned(), e))?;
    }
    if is_leftover(path).map_err(on)? {
        fs::remove_file(path).map_err(on)?;
    }
    let listener = UnixListener::bind(path).map_err(on)?;
    // Anyone may look; the role decides who may change.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(on)?;
    Ok(listener)
}

/// Whether a socket is at `path` that nobody serves; false when there is nothing.
fn is_leftover(path: &Path) -> io::Result<bool> {
    let taken = |why| Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
        Ok(found) if !found.file_type().is_socket() => {
            return taken("there is a file that is no socket; give another path to --socket");
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => taken("another program serves this socket; give another path to --socket"),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        Err(e) => Err(e),
    }
}

/// Serves connections until the process ends.
pub fn listen(service: &Arc<Service>, listener: &UnixListener) {
    let clients = Arc::new(Clients::default());
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => accept(service, stream, &clients),
            // Out of descriptors or memory: give those who hold them time to finish.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn accept(service: &Arc<Service>, stream: UnixStream, clients: &Arc<Clients>) {
    let Ok(peer) = peer(&stream) else { return };
    let Some(slot) = Clients::enter(clients, peer.role, peer.uid) else {
        refuse(&stream);
        return;
    };
    let service = Arc::clone(service);
    let serving = thread::Builder::new().spawn(move || {
        let _slot = slot;
        let Ok(out) = stream.try_clone() else { return };
        let idle = Duration::from_secs(service.args.idle.max(1));
        let timeouts = out
            .set_write_timeout(Some(WRITE_TIMEOUT))
            .and_then(|()| out.set_read_timeout(Some(idle)));
        if timeouts.is_ok() {
            session::Session::new(service, peer, out).serve(Reader::strict(stream, MAX_REQUEST));
        }
    });
    // No thread to be had: the connection is closed, and those who have one finish first.
    if serving.is_err() {
        thread::sleep(Duration::from_millis(100));
    }
}

/// The connections that are open, by user.
#[derive(Debug, Default)]
struct Clients(Mutex<BTreeMap<(bool, u32), usize>>);

impl Clients {
    /// A place for one more connection of `uid`; `None` when its share is used up.
    fn enter(clients: &Arc<Self>, role: Role, uid: u32) -> Option<Slot> {
        let admin = role == Role::Admin;
        let mut open = clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.get(&(admin, uid)).copied().unwrap_or(0);
        let all: usize = open.iter().filter(|((a, _), _)| *a == admin).map(|(_, n)| n).sum();
        let full = if admin { all >= MAX_ADMINS } else { own >= MAX_OF_ONE || all >= MAX_READERS };
        if full {
            return None;
        }
        open.insert((admin, uid), own + 1);
        Some(Slot { clients: Arc::clone(clients), key: (admin, uid) })
    }
}

/// Counts a connection while it lives.
struct Slot {
    clients: Arc<Clients>,
    key: (bool, u32),
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

fn refuse(mut stream: &UnixStream) {
    let report = ErrorReport::new(
        ErrorKind::Limit,
        "too many clients are connected",
        "close one, or try again in a moment",
    );
    // On the thread that accepts: whoever does not take it at once goes without.
    let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
    let _ = frame::write(&mut stream, Tag::Refusal, &report);
}

/// Root and the user pkgd runs as may change things; everybody else may look.
fn peer(stream: &UnixStream) -> nix::Result<Peer> {
    let credentials = getsockopt(stream, PeerCredentials)?;
    let uid = credentials.uid();
    let admin = uid == 0 || uid == nix::unistd::geteuid().as_raw();
    let role = if admin { Role::Admin } else { Role::Reader };
    Ok(Peer { role, uid, pid: credentials.pid(), client: String::new() })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::sync::Arc;

    use minos_proto::Role;

    use super::{Clients, MAX_OF_ONE, MAX_READERS, bind};

    /// A first version removed whatever was there: a file named by mistake, and the socket of another daemon.
    #[test]
    fn only_a_socket_that_nobody_serves_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        fs::write(&path, "dear").unwrap();
        assert_eq!(bind(&path).unwrap_err().1.kind(), ErrorKind::AddrInUse);
        assert_eq!(fs::read(&path).unwrap(), b"dear");
        fs::remove_file(&path).unwrap();
        let served = bind(&path).unwrap();
        let (at, refused) = bind(&path).unwrap_err();
        assert_eq!((at, refused.kind()), (path.clone(), ErrorKind::AddrInUse));
        drop(served);
        bind(&path).unwrap();
    }

    #[test]
    fn one_user_cannot_take_all_places_and_root_always_gets_in() {
        let clients = Arc::new(Clients::default());
        let enter = |role, uid| Clients::enter(&clients, role, uid);
        let mut held: Vec<_> = (0..MAX_OF_ONE).map(|_| enter(Role::Reader, 7).unwrap()).collect();
        assert!(enter(Role::Reader, 7).is_none());
        for n in MAX_OF_ONE..MAX_READERS {
            held.push(enter(Role::Reader, 100 + n as u32).unwrap());
        }
        assert!(enter(Role::Reader, 99).is_none(), "all places of readers are taken");
        assert!(enter(Role::Admin, 0).is_some());
        held.clear();
        assert!(clients.0.lock().unwrap().is_empty());
        assert!(enter(Role::Reader, 7).is_some());
    }
}
