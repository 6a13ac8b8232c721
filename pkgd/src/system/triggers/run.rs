//! One trigger in its box.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use minos_sandbox::{Bind, Build, Exit, IdRange, Network, Sight, Spec, Status, Upper, spawn};

use super::batch::Order;
use super::gather::MAX_FILE;
use super::table::Call;
use super::{Limits, batch};

/// The ids of triggers: of no build slot, and not those of `doctor`.
const IDS: IdRange = IdRange { first: 0x4c10_0000, count: 1 << 16 };
/// How much of its output is told when a trigger fails, in bytes.
const TOLD: usize = 1024;
/// Processes of one trigger.
const PROCESSES: u32 = 64;

/// The scratch folders of one run.
pub struct Place {
    root: Upper,
    build: Upper,
    /// What runs the orders of the call, where they are more than one program.
    batch: Option<PathBuf>,
    argv: Vec<String>,
}

impl Place {
    /// Makes them below `dir`, which must not exist.
    ///
    /// # Errors
    /// They cannot be made, or this program cannot be put there; in words.
    pub fn make(dir: &Path, call: &Call) -> Result<Self, String> {
        let make = |name: &str| {
            let path = dir.join(name);
            let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(&path);
            made.map_err(|e| format!("{}: {e}", path.display())).map(|()| path)
        };
        let (root, build) = (Upper { dir: make("root")? }, Upper { dir: make("build")? });
        if let [Order::Run { argv }] = &call.orders[..] {
            return Ok(Self { root, build, batch: None, argv: argv.clone() });
        }
        let folder = make("batch")?;
        let at = |e: io::Error| format!("{}: {e}", folder.display());
        batch::prepare(&folder, &call.orders).map_err(at)?;
        Ok(Self { root, build, batch: Some(folder), argv: vec![batch::PROGRAM.to_owned()] })
    }

    /// What was written to the root.
    pub fn tree(&self) -> PathBuf {
        self.root.tree()
    }
}

/// Runs the program on `layers`, the topmost first.
///
/// # Errors
/// It could not be run, failed, or took too long: with the last it said.
pub fn run(call: &Call, layers: &[PathBuf], place: &Place, limits: &Limits) -> Result<(), String> {
    let (mut from, to) = io::pipe().map_err(|e| e.to_string())?;
    let child = spawn(&spec(call, layers, place, limits), to.into()).map_err(|e| e.to_string())?;
    let killer = child.killer();
    let late = AtomicBool::new(false);
    let (done, wait) = channel::<()>();
    let (exit, said) = thread::scope(|scope| {
        let late = &late;
        scope.spawn(move || {
            if wait.recv_timeout(limits.time) == Err(RecvTimeoutError::Timeout) {
                late.store(true, Ordering::Relaxed);
                killer.kill();
            }
        });
        let said = scope.spawn(move || last_words(&mut from));
        let exit = child.wait();
        drop(done);
        (exit, said.join().unwrap_or_default())
    });
    let exit = exit.map_err(|e| e.to_string())?;
    let how = match exit.status {
        _ if late.load(Ordering::Relaxed) => format!("not done after {:?}, killed", limits.time),
        _ if exit.oom_kills > 0 => format!("it needs more than {} MiB", limits.memory >> 20),
        Status::Exited(0) => return no_survivors(&exit),
        Status::Exited(code) => format!("exit status {code}"),
        Status::Signaled(signal) => format!("killed by signal {signal}"),
    };
    Err(if said.is_empty() { how } else { format!("{how}; it said: {said}") })
}

/// A program that leaves others behind has not done what it was to do: they were killed at its end.
fn no_survivors(exit: &Exit) -> Result<(), String> {
    match exit.leftover {
        0 => Ok(()),
        count => Err(format!("it left {count} processes behind, which were killed")),
    }
}

/// The last of what comes, without control characters.
fn last_words(from: &mut impl io::Read) -> String {
    let mut tail = VecDeque::with_capacity(2 * TOLD);
    for byte in io::BufReader::new(from).bytes().map_while(Result::ok) {
        if tail.len() == TOLD {
            tail.pop_front();
        }
        tail.push_back(byte);
    }
    let text = String::from_utf8_lossy(tail.make_contiguous()).into_owned();
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn bind(folder: &Path) -> Bind {
    Bind { source: folder.to_owned(), target: batch::FOLDER.into() }
}

fn spec(call: &Call, layers: &[PathBuf], place: &Place, limits: &Limits) -> Spec {
    let env = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C"), ("HOME", "/tmp")];
    Spec {
        layers: layers.to_vec(),
        plain: 0,
        upper: Some(place.root.clone()),
        build: Build { layers: Vec::new(), upper: place.build.clone() },
        binds: place.batch.as_deref().map(bind).into_iter().collect(),
        argv: place.argv.iter().map(Into::into).collect(),
        env: env.map(|(name, value)| (name.into(), value.into())).to_vec(),
        cwd: "/".into(),
        writable: vec![format!("/{}", call.folder).into()],
        ids: IDS,
        limits: minos_sandbox::Limits {
            processes: Some(PROCESSES),
            memory_bytes: Some(limits.memory),
            file_bytes: Some(MAX_FILE),
            tmp_bytes: 64 << 20,
            ..minos_sandbox::Limits::default()
        },
        hostname: "minos".to_owned(),
        sight: Sight::default(),
        network: Network::None,
        strength: limits.strength,
        observe: false,
    }
}
