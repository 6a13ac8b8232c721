//! A file system in memory that is killed at any call, loses power at any moment, and fails on command.
//!
//! What is done is *live* at once and *durable* at the next sync. When power is cut, of what was done
//! since then each single thing may have reached the disk or not: a name, a rename, the bytes of a file,
//! all of them or the first half. It shares its power supply with the [`Disk`] of the database.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use minos_store::fs::{Attributes, FileType, Fs, NewFile, Space, Stat};

use super::disk::{Cache, Disk};

type Names = BTreeMap<Vec<u8>, u64>;

#[derive(Debug, Clone)]
enum Body {
    File(Arc<Vec<u8>>, Attributes),
    Folder(Names, Attributes),
    Link(Vec<u8>, u32, u32),
}

#[derive(Debug, Clone)]
struct Tree {
    inodes: BTreeMap<u64, Body>,
    next: u64,
}

#[derive(Debug, Clone)]
enum Op {
    /// A new inode gets a name.
    Make(Vec<u8>, u64, Body),
    /// The bytes of a file, as they are at its end.
    Bytes(u64, Arc<Vec<u8>>),
    Set(u64, Attributes),
    Link(u64, Vec<u8>),
    Rename(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
}

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    /// The process dies before the call takes effect.
    Kill,
    /// This one call fails with this error number.
    Once(i32),
    /// This call and all later ones that need space fail.
    From(i32),
}

#[derive(Debug)]
struct State {
    live: Tree,
    durable: Tree,
    log: Vec<Op>,
    calls: u64,
    fail: Option<(u64, Fail)>,
    reads: u64,
    fail_read: Option<(u64, i32)>,
    off: bool,
    free: u64,
}

/// The file system; clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct MemoryFs {
    state: Arc<Mutex<State>>,
    disk: Disk,
}

fn parts(path: &Path) -> Vec<Vec<u8>> {
    path.components().map(|c| c.as_os_str().as_bytes().to_vec()).collect()
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

fn kind(e: io::ErrorKind) -> io::Error {
    e.into()
}

impl Tree {
    fn new() -> Self {
        let root = Body::Folder(BTreeMap::new(), Attributes::root(0o755));
        Self { inodes: BTreeMap::from([(1, root)]), next: 2 }
    }

    fn walk(&self, names: &[Vec<u8>]) -> io::Result<u64> {
        let mut at = 1;
        for name in names {
            let Some(Body::Folder(entries, _)) = self.inodes.get(&at) else {
                return Err(kind(io::ErrorKind::NotADirectory));
            };
            at = *entries.get(name).ok_or_else(|| kind(io::ErrorKind::NotFound))?;
        }
        Ok(at)
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        self.walk(&parts(path))
    }

    fn folder(&mut self, path: &[u8]) -> io::Result<(&mut Names, Vec<u8>)> {
        let mut names = parts(Path::new(std::ffi::OsStr::from_bytes(path)));
        let name = names.pop().ok_or_else(|| kind(io::ErrorKind::InvalidInput))?;
        let at = self.walk(&names)?;
        match self.inodes.get_mut(&at) {
            Some(Body::Folder(entries, _)) => Ok((entries, name)),
            _ => Err(kind(io::ErrorKind::NotADirectory)),
        }
    }

    fn add(&mut self, path: &[u8], inode: u64) -> io::Result<()> {
        let (entries, name) = self.folder(path)?;
        if entries.contains_key(&name) {
            return Err(kind(io::ErrorKind::AlreadyExists));
        }
        entries.insert(name, inode);
        Ok(())
    }

    fn apply(&mut self, op: &Op) -> io::Result<()> {
        match op {
            Op::Make(path, inode, body) => {
                self.inodes.insert(*inode, body.clone());
                self.next = self.next.max(inode + 1);
                self.add(path, *inode)
            }
            Op::Bytes(inode, bytes) => {
                if let Some(Body::File(data, _)) = self.inodes.get_mut(inode) {
                    *data = Arc::clone(bytes);
                }
                Ok(())
            }
            Op::Set(inode, attributes) => {
                if let Some(Body::File(_, a) | Body::Folder(_, a)) = self.inodes.get_mut(inode) {
                    *a = attributes.clone();
                }
                Ok(())
            }
            Op::Link(inode, path) => self.add(path, *inode),
            Op::Rename(from, to) => {
                let (entries, name) = self.folder(from)?;
                let inode = *entries.get(&name).ok_or_else(|| kind(io::ErrorKind::NotFound))?;
                let (target, target_name) = self.folder(to)?;
                target.insert(target_name, inode);
                let (entries, name) = self.folder(from)?;
                entries.remove(&name);
                Ok(())
            }
            Op::Remove(path) => {
                let (entries, name) = self.folder(path)?;
                entries.remove(&name).map(drop).ok_or_else(|| kind(io::ErrorKind::NotFound))
            }
        }
    }
}

impl MemoryFs {
    /// An empty file system that shares the power of `disk`.
    pub fn new(disk: Disk) -> Self {
        Self::with(Tree::new(), disk)
    }

    fn with(tree: Tree, disk: Disk) -> Self {
        let state = State {
            durable: tree.clone(),
            live: tree,
            log: Vec::new(),
            calls: 0,
            fail: None,
            reads: 0,
            fail_read: None,
            off: false,
            free: 1 << 40,
        };
        Self { state: Arc::new(Mutex::new(state)), disk }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Calls so far that change something.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// What happens at the `n`th changing call from the beginning.
    pub fn fail_at(&self, n: u64, fail: Fail) {
        self.lock().fail = Some((n, fail));
    }

    /// Calls so far that only read.
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// The `n`th reading call from the beginning fails with this error number.
    pub fn fail_read_at(&self, n: u64, errno: i32) {
        self.lock().fail_read = Some((n, errno));
    }

    /// No failures any more.
    pub fn heal(&self) {
        self.lock().fail = None;
        self.lock().fail_read = None;
    }

    /// Bytes that are said to be free.
    pub fn set_free(&self, bytes: u64) {
        self.lock().free = bytes;
    }

    /// As it is at this moment, on another disk.
    pub fn copy(&self, disk: Disk) -> Self {
        Self::with(self.lock().live.clone(), disk)
    }

    /// What the machine finds after power came back.
    pub fn after_power_cut(&self, cache: Cache, disk: Disk) -> Self {
        let state = self.lock();
        let mut random = if let Cache::Torn(seed) = cache { seed.wrapping_mul(77) | 1 } else { 1 };
        let mut toss = |sides: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % sides
        };
        let mut tree = match cache {
            Cache::Written => state.live.clone(),
            _ => state.durable.clone(),
        };
        if let Cache::Torn(_) = cache {
            for op in &state.log {
                match (toss(4), op) {
                    (0, Op::Make(_, inode, body)) => drop(tree.inodes.insert(*inode, body.clone())),
                    (0, _) => {}
                    (1, Op::Bytes(inode, bytes)) => {
                        let half = Arc::new(bytes[..bytes.len() / 2].to_vec());
                        let _ = tree.apply(&Op::Bytes(*inode, half));
                    }
                    _ => drop(tree.apply(op)),
                }
            }
        }
        Self::with(tree, disk)
    }

    fn read(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.lock();
        if state.off || self.disk.is_off() {
            Err(io::Error::other("power is off"))
        } else {
            Ok(state)
        }
    }

    /// [`MemoryFs::read`], counted.
    fn begin_read(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.read()?;
        state.reads += 1;
        match state.fail_read {
            Some((n, e)) if state.reads == n => Err(io::Error::from_raw_os_error(e)),
            _ => Ok(state),
        }
    }

    /// Counts a call and fails it if it is its turn.
    fn begin(&self, needs_space: bool) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.read()?;
        state.calls += 1;
        match state.fail {
            Some((n, Fail::Kill)) if state.calls >= n => {
                state.off = true;
                self.disk.power_off();
                Err(io::Error::other("killed"))
            }
            Some((n, Fail::Once(e))) if state.calls == n => Err(io::Error::from_raw_os_error(e)),
            Some((n, Fail::From(e))) if state.calls >= n && needs_space => {
                Err(io::Error::from_raw_os_error(e))
            }
            _ => Ok(state),
        }
    }

    fn change(&self, needs_space: bool, op: Op) -> io::Result<()> {
        self.begin(needs_space)?.make(op)
    }

    fn make_node(&self, path: &Path, body: Body) -> io::Result<u64> {
        let mut state = self.begin(true)?;
        let inode = state.live.next;
        state.make(Op::Make(bytes(path), inode, body))?;
        Ok(inode)
    }

    fn remove(&self, path: &Path, folder: bool) -> io::Result<()> {
        let mut state = self.begin(false)?;
        let at = state.live.find(path)?;
        match state.live.inodes.get(&at) {
            Some(Body::Folder(..)) if !folder => return Err(kind(io::ErrorKind::IsADirectory)),
            Some(Body::Folder(entries, _)) if !entries.is_empty() => {
                return Err(kind(io::ErrorKind::DirectoryNotEmpty));
            }
            Some(Body::File(..) | Body::Link(..)) if folder => {
                return Err(kind(io::ErrorKind::NotADirectory));
            }
            _ => {}
        }
        state.make(Op::Remove(bytes(path)))
    }
}

impl State {
    fn make(&mut self, op: Op) -> io::Result<()> {
        self.live.apply(&op)?;
        self.log.push(op);
        Ok(())
    }
}

struct MemoryFile {
    fs: MemoryFs,
    inode: u64,
    bytes: Vec<u8>,
}

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.fs.begin(true)?;
        self.bytes.extend_from_slice(bytes);
        state.make(Op::Bytes(self.inode, Arc::new(self.bytes.clone())))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for MemoryFile {
    fn finish(self: Box<Self>, attributes: &Attributes) -> io::Result<()> {
        self.fs.change(false, Op::Set(self.inode, attributes.clone()))
    }
}

impl Fs for MemoryFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile + '_>> {
        let body = Body::File(Arc::default(), Attributes::root(0o600));
        let inode = self.make_node(path, body)?;
        Ok(Box::new(MemoryFile { fs: self.clone(), inode, bytes: Vec::new() }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send + '_>> {
        let state = self.begin_read()?;
        match state.live.inodes.get(&state.live.find(path)?) {
            Some(Body::File(data, _)) => Ok(Box::new(io::Cursor::new(data.to_vec()))),
            _ => Err(kind(io::ErrorKind::InvalidInput)),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.begin(true)?;
        let inode = state.live.find(from)?;
        state.make(Op::Link(inode, bytes(to)))
    }

    fn symlink(&self, target: &[u8], path: &Path, uid: u32, gid: u32) -> io::Result<()> {
        self.make_node(path, Body::Link(target.to_vec(), uid, gid)).map(drop)
    }

    fn mkdir(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        self.make_node(path, Body::Folder(BTreeMap::new(), attributes.clone())).map(drop)
    }

    fn set(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        let mut state = self.begin(false)?;
        let inode = state.live.find(path)?;
        state.make(Op::Set(inode, attributes.clone()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(false, Op::Rename(bytes(from), bytes(to)))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.remove(path, false)
    }

    fn rmdir(&self, path: &Path) -> io::Result<()> {
        self.remove(path, true)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.begin(false)?;
        state.durable = state.live.clone();
        state.log.clear();
        Ok(())
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        let state = self.begin_read()?;
        let inode = match state.live.find(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        let stat = |kind, mode, uid, gid, size| Stat { kind, mode, uid, gid, size, inode };
        Ok(state.live.inodes.get(&inode).map(|body| match body {
            Body::File(data, a) => stat(FileType::Regular, a.mode, a.uid, a.gid, data.len() as u64),
            Body::Folder(_, a) => stat(FileType::Directory, a.mode, a.uid, a.gid, 0),
            Body::Link(target, uid, gid) => {
                stat(FileType::Symlink, 0o777, *uid, *gid, target.len() as u64)
            }
        }))
    }

    fn read_link(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.begin_read()?;
        match state.live.inodes.get(&state.live.find(path)?) {
            Some(Body::Link(target, ..)) => Ok(target.clone()),
            _ => Err(kind(io::ErrorKind::InvalidInput)),
        }
    }

    fn xattrs(&self, path: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
        let state = self.begin_read()?;
        match state.live.inodes.get(&state.live.find(path)?) {
            Some(Body::File(_, a) | Body::Folder(_, a)) => Ok(a.xattrs.clone()),
            _ => Ok(Vec::new()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(Vec<u8>, FileType)>> {
        let state = self.begin_read()?;
        let Some(Body::Folder(entries, _)) = state.live.inodes.get(&state.live.find(path)?) else {
            return Err(kind(io::ErrorKind::NotADirectory));
        };
        let kind = |inode: &u64| match state.live.inodes.get(inode) {
            Some(Body::File(..)) => FileType::Regular,
            Some(Body::Folder(..)) => FileType::Directory,
            Some(Body::Link(..)) => FileType::Symlink,
            None => FileType::Other,
        };
        Ok(entries.iter().map(|(name, inode)| (name.clone(), kind(inode))).collect())
    }

    fn space(&self) -> io::Result<Space> {
        Ok(Space { bytes: self.begin_read()?.free, inodes: u64::MAX })
    }
}
