//! The directory of a running machine: its lock, its sockets, its serial log.
//!
//! | file | what |
//! | --- | --- |
//! | `pid` | number of the QEMU process; locked (`flock`) as long as the launcher lives |
//! | `control.sock` | the port `minos.control`: frames of `minos-proto` with pkgd; one client at a time |
//! | `init.sock` | the port `minos.init`: frames from PID 1; held by the launcher |
//! | `console.sock` | the serial console, any number of clients |
//! | `monitor.sock` | QMP, for the verbs of `minos-qemu`; one client at a time |
//! | `qmp.sock`, `serial.sock`, `disk-*.sock` | held by the launcher |
//! | `serial.log` | everything the guest wrote to its serial console since the start |
//! | `efivars.fd` | UEFI variables of a machine that boots from firmware |

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Where `minos-qemu` keeps its machine unless told otherwise.
pub const DEFAULT: &str = "out/vm";

/// The longest path a Unix socket can have, in bytes (`sun_path` less its terminator).
const MAX_SOCKET_PATH: usize = 107;

/// Names inside a machine's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths(PathBuf);

impl Paths {
    /// The names inside `dir`, which need not exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// The pid file, which is also the lock.
    pub fn pid(&self) -> PathBuf {
        self.0.join("pid")
    }

    /// Frames to and from pkgd.
    pub fn control(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Frames from PID 1.
    pub fn init(&self) -> PathBuf {
        self.0.join("init.sock")
    }

    /// The serial console for people; see [`crate::serial`].
    pub fn console(&self) -> PathBuf {
        self.0.join("console.sock")
    }

    /// QEMU's end of the serial line.
    pub fn serial(&self) -> PathBuf {
        self.0.join("serial.sock")
    }

    /// The launcher's monitor.
    pub fn qmp(&self) -> PathBuf {
        self.0.join("qmp.sock")
    }

    /// The monitor for other programs.
    pub fn monitor(&self) -> PathBuf {
        self.0.join("monitor.sock")
    }

    /// The server of a volatile disk.
    pub fn disk(&self, serial: &str) -> PathBuf {
        self.0.join(format!("disk-{serial}.sock"))
    }

    /// The log of the serial console.
    pub fn serial_log(&self) -> PathBuf {
        self.0.join("serial.log")
    }

    /// The UEFI variables.
    pub fn efivars(&self) -> PathBuf {
        self.0.join("efivars.fd")
    }

    /// The pid of the QEMU that runs here.
    ///
    /// # Errors
    /// [`Error::NotRunning`] when no launcher holds the lock.
    pub fn running(&self) -> Result<u32, Error> {
        let not_running = || Error::NotRunning(self.0.clone());
        let mut file = File::open(self.pid()).map_err(|_| not_running())?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read_pid(&mut file).ok_or_else(not_running),
            _ => Err(not_running()),
        }
    }
}

/// A machine's directory, locked for this process.
#[derive(Debug)]
pub struct VmDir {
    paths: Paths,
    pid: File,
}

impl VmDir {
    /// Creates the directory where needed, locks it, and clears away sockets of a dead machine.
    ///
    /// # Errors
    /// [`Error::Busy`] when another machine runs here; [`Error::Machine`] when the path is too long
    /// for Unix sockets; [`Error::Io`].
    pub fn lock(dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let paths = Paths::new(dir);
        // The longest name of any socket here.
        let longest = paths.disk(&"x".repeat(crate::machine::MAX_SERIAL)).as_os_str().len();
        if longest > MAX_SOCKET_PATH {
            return Err(Error::Machine(format!(
                "the path {} is too long for Unix sockets: use one of at most {} bytes, \
                 or a relative one",
                dir.display(),
                MAX_SOCKET_PATH + dir.as_os_str().len() - longest
            )));
        }
        let path = paths.pid();
        let mut pid = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        match pid.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Busy { dir: dir.into(), pid: read_pid(&mut pid) });
            }
            Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path)(e)),
        }
        let dir = Self { paths, pid };
        dir.remove_sockets()?;
        Ok(dir)
    }

    /// The names inside.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Writes the number of the QEMU process into the pid file.
    pub(crate) fn set_pid(&mut self, pid: u32) -> Result<(), Error> {
        self.write_pid(&format!("{pid}\n"))
    }

    fn write_pid(&mut self, text: &str) -> Result<(), Error> {
        let path = self.paths.pid();
        self.pid
            .set_len(0)
            .and_then(|()| self.pid.rewind())
            .and_then(|()| self.pid.write_all(text.as_bytes()))
            .map_err(Error::io("write", &path))
    }

    fn remove_sockets(&self) -> Result<(), Error> {
        let dir = self.paths.dir();
        for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
            let path = entry.map_err(Error::io("list", dir))?.path();
            if path.extension().is_some_and(|e| e == "sock") {
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }
}

impl Drop for VmDir {
    fn drop(&mut self) {
        // Best effort: the lock, not the file's content, says whether a machine runs.
        let _ = self.remove_sockets();
        let _ = self.write_pid("");
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Error, Paths, VmDir};

    #[test]
    fn a_second_machine_is_refused_and_told_which_one_runs() {
        let tmp = tempfile::tempdir().unwrap();
        let mut first = VmDir::lock(tmp.path()).unwrap();
        first.set_pid(4711).unwrap();
        let Err(e) = VmDir::lock(tmp.path()) else { panic!("locked twice") };
        assert!(matches!(e, Error::Busy { pid: Some(4711), .. }));
        assert!(e.to_string().contains("4711") && e.to_string().contains("--dir"), "{e}");
        assert_eq!(Paths::new(tmp.path()).running().unwrap(), 4711);
        drop(first);
        assert!(matches!(Paths::new(tmp.path()).running(), Err(Error::NotRunning(_))));
        VmDir::lock(tmp.path()).unwrap();
    }

    #[test]
    fn sockets_of_a_dead_machine_are_cleared_and_nothing_else() {
        let tmp = tempfile::tempdir().unwrap();
        for name in ["control.sock", "serial.log"] {
            std::fs::write(tmp.path().join(name), "x").unwrap();
        }
        let dir = VmDir::lock(tmp.path()).unwrap();
        assert!(!dir.paths().control().exists());
        assert!(dir.paths().serial_log().exists());
    }

    #[test]
    fn a_path_too_long_for_sockets_is_refused_with_the_limit() {
        let tmp = tempfile::tempdir().unwrap();
        let e = VmDir::lock(&tmp.path().join("d".repeat(100))).unwrap_err().to_string();
        assert!(e.contains("too long"), "{e}");
    }
}
