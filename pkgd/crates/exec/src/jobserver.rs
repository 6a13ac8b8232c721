//! One number of jobs for all steps that run at once: a broker between the boxes' job servers.
//!
//! GNU make 4.4 and later takes job tokens, one byte each, from a named pipe and puts them back when a job
//! is done ([POSIX jobserver interaction](https://www.gnu.org/software/make/manual/html_node/POSIX-Jobserver.html)).
//! One pipe for all steps would be the simplest, and a channel from box to box. So each step has a pipe of its
//! own, known to it and to pkgd alone, and this broker moves tokens between the pipes: it takes those that lie
//! unread, and where a step has more than its share, competes with its make for the next one that comes
//! back. The worst a hostile step can do is to keep what it was lent until it ends; then all of it is taken back.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;

use crate::tokens::{Id, Ledger};

/// How often unread tokens are taken back and dealt anew while several steps run.
const TICK: Duration = Duration::from_millis(50);
/// The same for `poll(2)`.
const TICK_MS: u8 = 50;
/// What a token looks like: the character that make itself uses.
const TOKEN: u8 = b'+';

/// The tokens of all steps that run at once. Clones share them; the broker ends with the last one.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Owner>);

/// A step's part of a pool: one token that it holds until this is dropped, and a pipe with more.
#[derive(Debug)]
pub struct Lease {
    pool: Pool,
    id: Id,
    path: PathBuf,
}

#[derive(Debug)]
struct Owner(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    start: Instant,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    pipes: BTreeMap<Id, Arc<File>>,
    /// Steps that wait for the token they need to start.
    waiting: usize,
    closed: bool,
}

impl Pool {
    /// A pool of `jobs` tokens, and the thread that deals them.
    pub fn new(jobs: u16) -> Self {
        let state = State {
            ledger: Ledger::new(usize::from(jobs.max(1))),
            pipes: BTreeMap::new(),
            waiting: 0,
            closed: false,
        };
        let start = Instant::now();
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), start });
        let broker = Arc::clone(&shared);
        thread::spawn(move || broker.deal());
        Self(Arc::new(Owner(shared)))
    }

    /// Waits for a token for a step that is about to start and makes its pipe at `path`; it may have up to
    /// `jobs` tokens in all. `None` when `cancelled` says so first.
    ///
    /// # Errors
    /// The pipe cannot be made.
    pub fn lease(
        &self,
        path: &Path,
        jobs: u16,
        cancelled: &dyn Fn() -> bool,
    ) -> io::Result<Option<Lease>> {
        let pipe = make(path)?;
        let shared = &self.0.0;
        let mut state = shared.lock();
        state.waiting += 1;
        shared.changed.notify_all();
        let id = loop {
            if let Some(id) = state.ledger.open(usize::from(jobs.max(1)) - 1) {
                break Some(id);
            }
            if cancelled() {
                break None;
            }
            state = shared.wait(state, TICK);
        };
        state.waiting -= 1;
        let Some(id) = id else { return Ok(None) };
        state.pipes.insert(id, Arc::new(pipe));
        state.balance(true, shared.start.elapsed());
        shared.changed.notify_all();
        drop(state);
        Ok(Some(Lease { pool: self.clone(), id, path: path.to_owned() }))
    }
}

impl Lease {
    /// The pipe, to be bound into the step's box.
    pub fn pipe(&self) -> &Path {
        &self.path
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // It lies in the step's scratch and goes with it at the latest.
        let _ = fs::remove_file(&self.path);
        let shared = &self.pool.0.0;
        let mut state = shared.lock();
        state.pipes.remove(&self.id);
        state.ledger.close(self.id);
        state.balance(false, shared.start.elapsed());
        shared.changed.notify_all();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, most);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The broker. One step alone has all tokens in its pipe, and nothing is to be done.
    fn deal(&self) {
        let mut state = self.lock();
        let mut idle = true;
        while !state.closed {
            if state.ledger.steps() + state.waiting < 2 {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let now = self.start.elapsed();
            state.balance(idle, now);
            if state.waiting > 0 && state.ledger.free() > 0 {
                self.changed.notify_all();
            }
            let rich = state.rich(now);
            idle = rich.is_empty();
            if idle {
                state = self.wait(state, TICK);
            } else {
                drop(state);
                idle = !comes_back(&rich);
                state = self.lock();
            }
        }
    }
}

impl State {
    /// Takes what lies unread in all pipes and deals it anew.
    fn balance(&mut self, idle: bool, now: Duration) {
        for (id, pipe) in &self.pipes {
            self.ledger.found(*id, drain(pipe), idle, now);
        }
        for (id, count) in self.ledger.deal(self.waiting, now) {
            let written = self.pipes.get(&id).map_or(0, |pipe| fill(pipe, count));
            self.ledger.undo(id, count - written.min(count));
        }
    }

    /// The pipes of the steps that have more than their share.
    fn rich(&self, now: Duration) -> Vec<Arc<File>> {
        let waits = self.waiting > self.ledger.free();
        let rich = self.ledger.rich(waits, now);
        rich.iter().filter_map(|id| self.pipes.get(id)).cloned().collect()
    }
}

/// A pipe that any user of the box may open; the folder it lies in keeps everybody else out.
fn make(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    // Open for both, so that make's own opening never waits for another end, and no reading finds an end.
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// Takes all bytes that lie in the pipe, up to more than any honest step's could hold.
fn drain(mut pipe: &File) -> usize {
    pipe.read(&mut [0; 1 << 16]).unwrap_or(0)
}

/// Puts tokens into the pipe; says how many. A step may have filled its pipe itself.
fn fill(mut pipe: &File, count: usize) -> usize {
    pipe.write(&vec![TOKEN; count]).unwrap_or(0)
}

/// Waits for a token in any of the pipes, for a tick at most.
fn comes_back(pipes: &[Arc<File>]) -> bool {
    let mut fds: Vec<_> = pipes.iter().map(|p| PollFd::new(p.as_fd(), PollFlags::POLLIN)).collect();
    poll(&mut fds, PollTimeout::from(TICK_MS)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use super::{Lease, Pool, TOKEN};

    struct Rig {
        dir: tempfile::TempDir,
        pool: Pool,
    }

    impl Rig {
        fn new(jobs: u16) -> Self {
            Self { dir: tempfile::tempdir().unwrap(), pool: Pool::new(jobs) }
        }

        fn lease(&self, name: &str) -> Lease {
            self.pool.lease(&self.dir.path().join(name), 100, &|| false).unwrap().unwrap()
        }
    }

    fn open(lease: &Lease) -> File {
        let flags = nix::libc::O_NONBLOCK;
        OpenOptions::new().read(true).write(true).custom_flags(flags).open(lease.pipe()).unwrap()
    }

    /// Takes tokens until `wanted` are there; fewer when they do not come within seconds.
    fn take(lease: &Lease, wanted: usize) -> usize {
        let deadline = Instant::now() + Duration::from_secs(10);
        let (mut pipe, mut taken) = (open(lease), 0);
        while taken < wanted && Instant::now() < deadline {
            match pipe.read(&mut [0; 1]) {
                Ok(n) => taken += n,
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        taken
    }

    #[test]
    fn a_step_alone_has_all_and_a_second_one_waits_for_its_own() {
        let rig = Rig::new(4);
        let first = rig.lease("first");
        assert_eq!(take(&first, 3), 3);
        let place = rig.dir.path().join("second");
        assert!(rig.pool.lease(&place, 9, &|| true).unwrap().is_none(), "none is free");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| rig.lease("second"));
            open(&first).write_all(&[TOKEN; 3]).unwrap();
            let second = second.join().unwrap();
            assert_eq!(take(&first, 1) + take(&second, 1), 2, "two hold one each, two are lent");
        });
    }

    #[test]
    fn what_one_leaves_lying_reaches_the_other() {
        let rig = Rig::new(5);
        let (_lazy, busy) = (rig.lease("lazy"), rig.lease("busy"));
        assert_eq!(take(&busy, 3), 3);
    }

    /// A step that died, or was hostile, kept its tokens for good, and what it wrote was lent to others.
    #[test]
    fn tokens_come_back_from_a_thief_and_a_flood_makes_none() {
        let rig = Rig::new(3);
        let thief = rig.lease("thief");
        assert_eq!(take(&thief, 2), 2);
        drop(thief);
        let flood = rig.lease("flood");
        let mut pipe = open(&flood);
        while pipe.write(&[b'x'; 4096]).is_ok() {}
        let other =
            { std::thread::scope(|scope| scope.spawn(|| rig.lease("other")).join().unwrap()) };
        std::thread::sleep(Duration::from_millis(300));
        let mut found = vec![0; 1 << 17];
        let read = open(&other).read(&mut found).unwrap_or(0);
        assert!(read <= 1, "{read} tokens where one is left");
        drop(flood);
        drop(other);
        assert_eq!(take(&rig.lease("last"), 2), 2);
    }

    /// A make that puts a token back takes the next one as soon as it has found something to do with it;
    /// left to that, a second step would never get any.
    #[test]
    fn a_busy_step_does_not_keep_the_other_out() {
        let rig = Rig::new(4);
        let busy = rig.lease("busy");
        assert_eq!(take(&busy, 3), 3);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut pipe, mut held) = (open(&busy), 3);
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(2));
                    held -= pipe.write(&[TOKEN][..held.min(1)]).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                    held += pipe.read(&mut [0; 1]).unwrap_or(0);
                }
            });
            let second = rig.lease("second");
            let taken = take(&second, 1);
            done.store(true, Ordering::Relaxed);
            assert_eq!(taken, 1);
        });
    }
}
