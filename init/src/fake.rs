//! A kernel for tests: its own clock, processes, files and descriptors, and obedience to orders such
//! as "the 17th call fails".

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use crate::kernel::{
    Errno, Fd, Job, Mount, Open, Program, Reaped, Result, Setting, Space, Sys, Watch,
};
use crate::machine::End;
use crate::sup::Exit;

/// Which calls fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// None.
    Never,
    /// The call with this number, once.
    Once(u64, Errno),
    /// Every call from this number on.
    From(u64, Errno),
}

/// How a stand-in service behaves.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    pub ready_after: Option<u64>,
    pub ends_after: Option<(u64, Exit)>,
    pub obeys_term: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { ready_after: Some(10), ends_after: None, obeys_term: true }
    }
}

#[derive(Debug)]
struct Child {
    ends: Option<(u64, Exit)>,
    obeys_term: bool,
    /// What a helper does; it is done when it ends, unless it is killed before.
    job: Option<Job>,
}

/// What there is.
#[derive(Debug)]
pub struct World {
    pub now: u64,
    pub calls: u64,
    pub fault: Fault,
    pub files: BTreeMap<String, Vec<u8>>,
    pub lists: BTreeMap<&'static str, Vec<&'static str>>,
    pub signals: VecDeque<i32>,
    pub at: Vec<(u64, i32)>,
    pub console: Vec<u8>,
    pub console_full: bool,
    /// Descriptors of the terminal that were hung up.
    pub hung_up: BTreeSet<i32>,
    pub port: Vec<u8>,
    pub typed: VecDeque<u8>,
    pub fed: Vec<(u64, u8)>,
    pub pkgd: Behaviour,
    pub shell: Behaviour,
    /// Programs that behave in a way of their own.
    pub programs: BTreeMap<&'static str, Behaviour>,
    pub hangs: fn(&Job) -> bool,
    /// The disk takes nothing.
    pub no_writes: bool,
    /// How long a helper takes, in milliseconds.
    pub helper_ms: u64,
    pub mounted: Vec<String>,
    pub busy: BTreeSet<String>,
    /// File systems whose disk takes nothing any more; they can be unmounted like any other.
    pub dead: BTreeSet<String>,
    pub read_only: Vec<String>,
    /// Files that cannot be read: EIO.
    pub unreadable: BTreeSet<String>,
    /// Devices that never answer: a helper that reads one hangs, and PID 1 must not read it.
    pub silent: BTreeSet<&'static str>,
    /// Directories and programs that are not there; all others are.
    pub missing: BTreeSet<String>,
    pub log: Vec<String>,
    pub spawned: Vec<(u64, Vec<String>)>,
    pub reboots: Vec<End>,
    children: BTreeMap<u32, Child>,
    fds: BTreeMap<i32, (String, Option<u64>)>,
    next_pid: u32,
}

/// The kernel; clones are the same one.
#[derive(Debug, Clone)]
pub struct Fake(Rc<RefCell<World>>);

impl Fake {
    /// A virtual machine with a state disk, a seed disk, both ports, a watchdog and a power button.
    pub fn machine() -> Self {
        let mut files = BTreeMap::new();
        for (path, text) in [
            ("/proc/cmdline", "console=ttyS0 quiet\n"),
            ("/sys/class/tty/console/active", "tty0 ttyS0\n"),
            ("/sys/class/block/vda/serial", "minos-state"),
            ("/sys/class/block/vda/ro", "0\n"),
            ("/sys/class/block/vda/uevent", "DEVNAME=vda\n"),
            ("/sys/class/block/vdb/serial", "minos-seed"),
            ("/sys/class/block/vdb/ro", "1\n"),
            ("/sys/class/virtio-ports/vport1p1/name", "minos.init\n"),
            ("/sys/class/virtio-ports/vport1p2/name", "minos.control\n"),
            ("/sys/class/input/event0/device/name", "Power Button\n"),
            ("/sys/fs/cgroup/cgroup.subtree_control", ""),
            ("/proc/self/oom_score_adj", "0"),
            ("/proc/self/mounts", "proc /proc proc rw 0 0\n"),
        ] {
            files.insert(path.to_owned(), text.as_bytes().to_vec());
        }
        let lists = BTreeMap::from([
            ("/sys/class/block", vec!["loop0", "vda", "vdb"]),
            ("/sys/class/input", vec!["event0", "mice"]),
            ("/sys/class/virtio-ports", vec!["vport1p1", "vport1p2"]),
            ("/sys/bus/virtio/drivers/virtio_console", vec!["bind", "virtio1"]),
        ]);
        let world = World {
            now: 1_000,
            calls: 0,
            fault: Fault::Never,
            files,
            lists,
            signals: VecDeque::new(),
            at: vec![],
            console: vec![],
            console_full: false,
            hung_up: BTreeSet::new(),
            port: vec![],
            typed: VecDeque::new(),
            fed: vec![],
            pkgd: Behaviour::default(),
            shell: Behaviour::default(),
            programs: BTreeMap::new(),
            hangs: |_| false,
            no_writes: false,
            helper_ms: 1,
            mounted: vec![],
            busy: BTreeSet::new(),
            dead: BTreeSet::new(),
            read_only: vec![],
            unreadable: BTreeSet::new(),
            silent: BTreeSet::new(),
            missing: BTreeSet::new(),
            log: vec![],
            spawned: vec![],
            reboots: vec![],
            children: BTreeMap::new(),
            fds: BTreeMap::new(),
            next_pid: 100,
        };
        Self(Rc::new(RefCell::new(world)))
    }

    pub fn world(&self) -> RefMut<'_, World> {
        self.0.borrow_mut()
    }

    fn call(&self, what: &str) -> Result<RefMut<'_, World>> {
        let mut w = self.0.borrow_mut();
        w.calls += 1;
        w.log.push(what.to_owned());
        match w.fault {
            Fault::Once(n, e) if n == w.calls => Err(e),
            Fault::From(n, e) if n <= w.calls => Err(e),
            _ => Ok(w),
        }
    }
}

impl World {
    pub fn console_text(&self) -> String {
        String::from_utf8_lossy(&self.console).into_owned()
    }

    /// What the kernel does to a terminal when a session leader ends.
    pub fn hang_up(&mut self, path: &str) {
        let fds: Vec<i32> = self.fds.iter().filter(|f| f.1.0 == path).map(|f| *f.0).collect();
        self.hung_up.extend(fds);
    }

    /// A mount, and all below it, is at another place.
    fn rebase(&mut self, from: &str, to: &str) {
        let below = format!("{from}/");
        for m in &mut self.mounted {
            if m == from || m.starts_with(&below) {
                let moved = format!("{}{}", to.trim_end_matches('/'), &m[from.len()..]);
                *m = if moved.is_empty() { "/".to_owned() } else { moved };
            }
        }
    }

    pub fn open_fds(&self) -> usize {
        self.fds.len()
    }

    /// The power goes: only files are left.
    pub fn cut_power(&mut self) {
        self.children.clear();
        self.fds.clear();
        self.mounted.clear();
        self.read_only.clear();
        self.signals.clear();
        self.at.clear();
        self.now += 1_000;
    }

    pub fn orphan(&mut self, ends_in: u64, exit: Exit) {
        let ends = Some((self.now + ends_in, exit));
        self.child(Child { ends, obeys_term: true, job: None });
    }

    fn child(&mut self, child: Child) -> u32 {
        self.next_pid += 1;
        self.children.insert(self.next_pid, child);
        self.next_pid
    }

    fn fd(&mut self, what: &str, ready_at: Option<u64>) -> Fd {
        let n = (5..).find(|n| !self.fds.contains_key(n)).unwrap();
        self.fds.insert(n, (what.to_owned(), ready_at));
        Fd(n)
    }

    fn readable(&self, fd: Fd) -> bool {
        let Some((what, at)) = self.fds.get(&fd.0) else { return false };
        match what.as_str() {
            "signals" => {
                !self.signals.is_empty() || self.children.values().any(|c| ended(c, self.now))
            }
            "/dev/ttyS0" => !self.typed.is_empty() || self.hung_up.contains(&fd.0),
            _ => at.is_some_and(|at| at <= self.now),
        }
    }

    fn next_change(&self) -> Option<u64> {
        let ends = self.children.values().filter_map(|c| c.ends.map(|e| e.0));
        let fds = self.fds.values().filter_map(|f| f.1);
        ends.chain(fds).chain(self.at.iter().map(|a| a.0)).filter(|t| *t > self.now).min()
    }

    fn pass_time(&mut self, until: u64) {
        self.now = until;
        let (due, later) = self.at.iter().partition(|a| a.0 <= until);
        self.at = later;
        let due: Vec<(u64, i32)> = due;
        self.signals.extend(due.iter().map(|d| d.1));
    }

    fn signal(&mut self, pid: u32, signal: i32) {
        let now = self.now;
        let Some(child) = self.children.get_mut(&pid) else { return };
        if signal == libc::SIGKILL || signal == libc::SIGTERM && child.obeys_term {
            child.ends = Some((now, Exit::Signaled { signal: signal as u8, core: false }));
        }
    }
}

fn ended(child: &Child, now: u64) -> bool {
    child.ends.is_some_and(|e| e.0 <= now)
}

impl Sys for Fake {
    fn now_ms(&mut self) -> u64 {
        self.0.borrow().now
    }
    fn wall_s(&mut self) -> u64 {
        1_700_000_000 + self.0.borrow().now / 1000
    }
    fn sleep_ms(&mut self, ms: u64) {
        let mut w = self.0.borrow_mut();
        let until = w.now + ms;
        w.pass_time(until);
    }
    fn open(&mut self, path: &str, _how: Open) -> Result<Fd> {
        Ok(self.call(&format!("open {path}"))?.fd(path, None))
    }
    fn close(&mut self, fd: Fd) {
        let mut w = self.0.borrow_mut();
        assert!(w.fds.remove(&fd.0).is_some(), "{fd:?} closed twice");
        w.hung_up.remove(&fd.0);
    }
    fn read(&mut self, fd: Fd, buffer: &mut [u8]) -> Result<usize> {
        let mut w = self.call("read")?;
        if !w.readable(fd) {
            return Err(Errno::EAGAIN);
        }
        if w.hung_up.contains(&fd.0) {
            return Ok(0);
        }
        if w.fds[&fd.0].0 == "/dev/ttyS0" {
            let n = w.typed.len().min(buffer.len());
            for (to, from) in buffer.iter_mut().zip(w.typed.drain(..n)) {
                *to = from;
            }
            return Ok(n);
        }
        if let Some(slot) = w.fds.get_mut(&fd.0) {
            slot.1 = None;
        }
        buffer[0] = b'\n';
        Ok(1)
    }
    fn write(&mut self, fd: Fd, bytes: &[u8]) -> Result<usize> {
        let mut w = self.call("write")?;
        let now = w.now;
        if w.hung_up.contains(&fd.0) {
            return Err(Errno::EIO);
        }
        match w.fds.get(&fd.0).map(|f| f.0.clone()).unwrap_or_default().as_str() {
            "/dev/console" | "/dev/ttyS0" if w.console_full => return Err(Errno::EAGAIN),
            "/dev/console" | "/dev/ttyS0" => w.console.extend_from_slice(bytes),
            "/dev/vport1p1" => w.port.extend_from_slice(bytes),
            "/dev/watchdog" => w.fed.push((now, bytes[0])),
            other => panic!("write to {other}"),
        }
        Ok(bytes.len())
    }
    fn read_file(&mut self, path: &str, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let w = self.call(&format!("read_file {path}"))?;
        let mounts = || {
            let line = |m: &String| {
                let mode = if w.read_only.contains(m) { "ro" } else { "rw" };
                format!("1 1 0:1 / {m} rw - ext4 /dev/x {mode}\n")
            };
            w.mounted.iter().map(line).collect::<String>().into_bytes()
        };
        let bytes = match path {
            "/proc/self/mountinfo" => mounts(),
            _ if w.silent.iter().any(|name| path == format!("/dev/{name}")) => {
                panic!("PID 1 hangs in {path}")
            }
            _ if w.unreadable.contains(path) => return Err(Errno::EIO),
            _ => w.files.get(path).ok_or(Errno::ENOENT)?.clone(),
        };
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
    fn write_file(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        self.call(&format!("write_file {path}"))?.files.insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }
    fn write_durable(&mut self, path: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut w = self.call(&format!("write_durable {path} {offset}"))?;
        if w.no_writes {
            return Err(Errno::EIO);
        }
        let file = w.files.entry(path.to_owned()).or_default();
        let end = offset as usize + bytes.len();
        file.resize(file.len().max(end), 0);
        file[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }
    fn mkdir_mode(&mut self, path: &str, _mode: u32) -> Result<()> {
        self.call(&format!("mkdir {path}")).map(drop)
    }
    fn directory(&mut self, path: &str) -> Result<()> {
        match self.call(&format!("directory {path}"))?.missing.contains(path) {
            true => Err(Errno::ENOENT),
            false => Ok(()),
        }
    }
    fn remove(&mut self, path: &str) -> Result<()> {
        self.call(&format!("remove {path}"))?.files.remove(path);
        Ok(())
    }
    fn list(&mut self, path: &str, each: &mut dyn FnMut(&str)) -> Result<()> {
        let list = self.call(&format!("list {path}"))?.lists.get(path).cloned();
        list.ok_or(Errno::ENOENT)?.into_iter().for_each(each);
        Ok(())
    }
    fn executable(&mut self, path: &str) -> Result<()> {
        match self.call(&format!("executable {path}"))?.missing.contains(path) {
            true => Err(Errno::ENOENT),
            false => Ok(()),
        }
    }
    fn pipe(&mut self) -> Result<(Fd, Fd)> {
        let mut w = self.call("pipe")?;
        Ok((w.fd("pipe", None), w.fd("pipe end", None)))
    }
    fn poll(&mut self, watches: &mut [Watch], timeout_ms: u64) -> Result<()> {
        let mut w = self.call("poll")?;
        let ready = |w: &World, x: &Watch| if x.write { !w.console_full } else { w.readable(x.fd) };
        if !watches.iter().any(|x| ready(&w, x)) {
            let end = w.now + timeout_ms;
            let until = w.next_change().map_or(end, |t| t.min(end));
            w.pass_time(until);
        }
        for x in watches {
            x.ready = ready(&w, x);
        }
        Ok(())
    }
    fn wake_fd(&mut self) -> Result<Fd> {
        Ok(self.call("wake_fd")?.fd("signals", None))
    }
    fn next_signal(&mut self) -> Result<Option<i32>> {
        Ok(self.call("next_signal")?.signals.pop_front())
    }
    fn reap(&mut self) -> Result<Reaped> {
        let mut w = self.call("reap")?;
        let now = w.now;
        let Some(pid) = w.children.iter().find(|(_, c)| ended(c, now)).map(|(p, _)| *p) else {
            return Ok(if w.children.is_empty() { Reaped::NoChildren } else { Reaped::Busy });
        };
        let child = w.children.remove(&pid).unwrap();
        drop(w);
        let exit = match (child.ends.unwrap().1, child.job) {
            (Exit::Exited(_), Some(job)) => Exit::Exited(crate::helper::run(self, &job)),
            (exit, _) => exit,
        };
        Ok(Reaped::Child(pid, exit))
    }
    fn spawn(&mut self, program: &Program) -> Result<u32> {
        let argv: Vec<String> = program.argv.iter().map(str::to_owned).collect();
        let mut w = self.call(&format!("spawn {}", argv[0]))?;
        let how = match argv[0].as_str() {
            "/bin/pkgd" | "/run/initramfs/bin/pkgd" => w.pkgd,
            program => w.programs.get(program).copied().unwrap_or(w.shell),
        };
        let now = w.now;
        w.spawned.push((now, argv));
        if let (Some(end), Some(after)) = (program.ready, how.ready_after) {
            // The read end is the descriptor dealt out just before the write end.
            let read_end = (0..end.0).rev().find(|n| w.fds.get(n).is_some_and(|f| f.0 == "pipe"));
            w.fds.get_mut(&read_end.unwrap()).unwrap().1 = Some(now + after);
        }
        let ends = how.ends_after.map(|(after, exit)| (now + after, exit));
        Ok(w.child(Child { ends, obeys_term: how.obeys_term, job: None }))
    }
    fn helper(&mut self, job: &Job) -> Result<u32> {
        let hangs = {
            let w = self.call("helper")?;
            let silent = |job: &Job| matches!(job, Job::Look { device, .. } if w.silent.contains(device.as_str()));
            (w.hangs)(job) || silent(job)
        };
        let mut w = self.world();
        let ends = (!hangs).then_some((w.now + w.helper_ms, Exit::Exited(0)));
        Ok(w.child(Child { ends, obeys_term: false, job: Some(job.clone()) }))
    }
    fn kill(&mut self, pid: u32, signal: i32) -> Result<()> {
        self.call(&format!("kill {signal}"))?.signal(pid, signal);
        Ok(())
    }
    fn kill_group(&mut self, pid: u32, signal: i32) -> Result<()> {
        self.kill(pid, signal)
    }
    fn kill_all(&mut self, signal: i32) -> Result<()> {
        let mut w = self.call(&format!("kill_all {signal}"))?;
        let pids: Vec<u32> = w.children.keys().copied().collect();
        pids.into_iter().for_each(|p| w.signal(p, signal));
        Ok(())
    }
    fn mount(&mut self, mount: &Mount) -> Result<()> {
        let mut w = self.call(&format!("mount {}", mount.target))?;
        w.mounted.push(mount.target.to_owned());
        if mount.read_only {
            w.read_only.push(mount.target.to_owned());
        }
        Ok(())
    }
    fn unmount(&mut self, target: &str) -> Result<()> {
        let mut w = self.call(&format!("unmount {target}"))?;
        let below = format!("{target}/");
        if w.busy.contains(target) || w.mounted.iter().any(|m| m.starts_with(&below)) {
            return Err(Errno::EBUSY);
        }
        w.mounted.retain(|m| m != target);
        Ok(())
    }
    fn bind(&mut self, _from: &str, to: &str) -> Result<()> {
        self.call(&format!("bind {to}"))?.mounted.push(to.to_owned());
        Ok(())
    }
    fn restrict(&mut self, path: &str, read_only: bool, _no_suid: bool) -> Result<()> {
        let mut w = self.call(&format!("restrict {path}"))?;
        if read_only {
            w.read_only.push(path.to_owned());
        }
        Ok(())
    }
    fn move_mount(&mut self, from: &str, to: &str) -> Result<()> {
        let mut w = self.call(&format!("move {from} {to}"))?;
        if !w.mounted.iter().any(|m| m == from) {
            return Err(Errno::EINVAL);
        }
        w.rebase(from, to);
        Ok(())
    }
    fn enter(&mut self, path: &str) -> Result<()> {
        let mut w = self.call(&format!("enter {path}"))?;
        w.rebase(path, "/");
        let plan = format!("{path}/{}", minos_proto::bootplan::PATH);
        if let Some(bytes) = w.files.get(&plan).cloned() {
            w.files.insert(format!("/{}", minos_proto::bootplan::PATH), bytes);
        }
        Ok(())
    }
    fn detach(&mut self, path: &str) -> Result<()> {
        let below = format!("{path}/");
        self.call(&format!("detach {path}"))?
            .mounted
            .retain(|m| m != path && !m.starts_with(&below));
        Ok(())
    }
    fn set_hostname(&mut self, name: &str) -> Result<()> {
        self.call(&format!("hostname {name}")).map(drop)
    }
    fn remount_ro(&mut self, target: &str) -> Result<()> {
        self.call(&format!("remount_ro {target}"))?.read_only.push(target.to_owned());
        Ok(())
    }
    fn space(&mut self, _path: &str) -> Result<Space> {
        self.call("space")?;
        Ok(Space { free: 1 << 30, total: 2 << 30 })
    }
    fn sync_fs(&mut self, path: &str) -> Result<()> {
        match self.call(&format!("flush {path}"))?.dead.contains(path) {
            true => Err(Errno::EIO),
            false => Ok(()),
        }
    }
    fn sync(&mut self) {
        self.0.borrow_mut().log.push("sync".to_owned());
    }
    fn apply(&mut self, setting: Setting) -> Result<()> {
        self.call(&format!("apply {setting:?}")).map(drop)
    }
    fn sane_terminal(&mut self, _fd: Fd) -> Result<()> {
        self.call("sane_terminal").map(drop)
    }
    fn watchdog_timeout(&mut self, _fd: Fd, seconds: u32) -> Result<u32> {
        self.call("watchdog_timeout")?;
        Ok(seconds)
    }
    fn reboot(&mut self, end: End) -> Errno {
        self.0.borrow_mut().reboots.push(end);
        Errno::EPERM
    }
}
