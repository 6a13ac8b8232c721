//! Host programs: found or asked for by package name, run with a log and signs of life.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Error, Progress, Result};

/// Which Debian package carries which program. Everything we ever call stands here.
const PACKAGES: &[(&str, &str)] = &[
    ("apt-cache", "apt"),
    ("apt-get", "apt"),
    ("bc", "bc"),
    ("bison", "bison"),
    ("cargo", "cargo (or rustup, for the version the tree needs)"),
    ("dpkg-deb", "dpkg"),
    ("e2fsck", "e2fsprogs"),
    ("flex", "flex"),
    ("gcc", "gcc"),
    ("ld", "binutils"),
    ("make", "make"),
    ("mke2fs", "e2fsprogs"),
    ("mksquashfs", "squashfs-tools"),
    ("mmdebstrap", "mmdebstrap"),
    ("objcopy", "binutils"),
    ("objdump", "binutils"),
    ("perl", "perl"),
    ("pip3", "python3-pip"),
    ("tar", "tar"),
    ("unsquashfs", "squashfs-tools"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
];

/// Administrators' programs that an ordinary PATH may leave out.
const SBIN: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(100);
/// How often the listener hears that it still runs.
const TICK: Duration = Duration::from_secs(2);
/// How much of the end of a log is looked at for its last lines.
const TAIL_BYTES: u64 = 4096;
const TAIL_LINES: usize = 15;

/// The path of a host program, or an error that names its package.
pub fn find(tool: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SBIN.iter().map(PathBuf::from))
        .map(|dir| dir.join(tool))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| Error::ToolMissing { tool: tool.to_owned(), package: package_of(tool) })
}

fn package_of(tool: &str) -> &'static str {
    PACKAGES
        .iter()
        .find(|(name, _)| *name == tool)
        .map_or("(the package that carries it)", |(_, package)| package)
}

/// One run of a host program, in the C locale and UTC.
#[derive(Debug)]
pub struct Run {
    command: Command,
    name: String,
    /// How many of the command's arguments belong to `setpriv`.
    prefix: usize,
}

impl Run {
    /// A run of `tool`, which must be installed.
    pub fn new(tool: &str) -> Result<Self> {
        let program = find(tool)?;
        // A build must not go on in the background, in a folder the next run clears, when we are
        // killed. Where setpriv(1) is absent, only that comfort is.
        let (mut command, prefix) = match find("setpriv") {
            Ok(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "TERM", "--"]).arg(program);
                (command, 4)
            }
            Err(_) => (Command::new(program), 0),
        };
        command.env("LC_ALL", "C").env("TZ", "UTC").stdin(Stdio::null());
        // The user's would override ours, or clash with an option that says the same.
        command.env_remove("SOURCE_DATE_EPOCH");
        Ok(Run { command, name: tool.to_owned(), prefix })
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Gives it a file to read as its standard input.
    pub fn stdin(mut self, path: &Path) -> Result<Self> {
        self.command.stdin(File::open(path).map_err(Error::io("open", path))?);
        Ok(self)
    }

    /// Sets the working directory.
    pub fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs it to its end and returns what it printed; for commands of a moment.
    pub fn output(mut self) -> Result<String> {
        let output = self.command.output().map_err(Error::io("start", &self.name))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr);
        Err(self.failed(output.status, None, last_lines(&text)))
    }

    /// Runs it with all output appended to `log`; `progress` hears every two seconds how long it
    /// has run and the log's last line.
    pub fn logged(mut self, log: &Path, label: &str, progress: &dyn Progress) -> Result<()> {
        let out = open_log(log)?;
        let err = out.try_clone().map_err(Error::io("duplicate", log))?;
        self.command.stdout(out).stderr(err);
        let child = self.command.spawn().map_err(Error::io("start", &self.name))?;
        let status =
            watch(child, log, label, progress).map_err(Error::io("wait for", &self.name))?;
        if status.success() {
            return Ok(());
        }
        Err(self.failed(status, Some(log), last_lines(&tail(log))))
    }

    fn failed(&self, status: ExitStatus, log: Option<&Path>, tail: String) -> Error {
        let args: Vec<OsString> =
            self.command.get_args().skip(self.prefix).map(OsStr::to_os_string).collect();
        let shown = args.iter().take(6).map(|a| a.to_string_lossy());
        let mut command = self.name.clone();
        shown.for_each(|arg| command = format!("{command} {arg}"));
        if args.len() > 6 {
            command += " ...";
        }
        let log = log.map(Path::to_path_buf);
        Error::CommandFailed { command, status: status.to_string(), log, tail }
    }
}

fn open_log(log: &Path) -> Result<File> {
    if let Some(parent) = log.parent() {
        fs::create_dir_all(parent).map_err(Error::io("create directory", parent))?;
    }
    File::options().create(true).append(true).open(log).map_err(Error::io("open log", log))
}

/// Empties a log at the beginning of a job of several commands.
pub fn begin_log(log: &Path) -> Result<()> {
    open_log(log)?.set_len(0).map_err(Error::io("truncate", log))
}

fn watch(
    mut child: Child,
    log: &Path,
    label: &str,
    progress: &dyn Progress,
) -> std::io::Result<ExitStatus> {
    let begun = Instant::now();
    let mut told = begun;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if told.elapsed() >= TICK {
            told = Instant::now();
            let text = tail(log);
            let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
            progress.tick(&format!("{label}: {} s, {}", begun.elapsed().as_secs(), last.trim()));
        }
        thread::sleep(POLL);
    }
}

/// The end of a log; empty when it cannot be read, since it only decorates.
fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn a_missing_tool_names_its_package() {
        let package = package_of("mksquashfs");
        let text = Error::ToolMissing { tool: "mksquashfs".into(), package }.to_string();
        assert!(text.contains("apt-get install squashfs-tools"), "{text}");
        assert!(matches!(find("no-such-tool-at-all"), Err(Error::ToolMissing { .. })));
    }

    #[test]
    fn failure_shows_the_end_of_the_log_and_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("logs/x.log");
        let script = "for i in $(seq 40); do echo line $i; done; echo why >&2; exit 3";
        let run = Run::new("sh").unwrap().args(["-c", script]);
        let text = run.logged(&log, "x", &Silent).unwrap_err().to_string();
        for part in ["exit status: 3", "| line 40", "| why", "x.log"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("line 2\n"), "{text}");
    }

    /// A killed kernel build once went on under PID 1 and wrote into the next run's folder.
    #[test]
    fn a_program_does_not_outlive_the_thread_that_runs_it() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script = format!("echo $$ > {}; exec sleep 100", pid_file.display());
        let mut run = Run::new("sh").unwrap().args(["-c", &script]);
        // The signal comes when the parent's thread ends, so a thread can play the killed parent.
        let mut child = thread::spawn(move || {
            let child = run.command.spawn().unwrap();
            while fs::read_to_string(&pid_file).unwrap_or_default().is_empty() {
                thread::sleep(POLL);
            }
            child
        })
        .join()
        .unwrap();
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn output_is_returned_and_a_signal_is_named() {
        let run = Run::new("sh").unwrap().args(["-c", "echo $LC_ALL"]);
        assert_eq!(run.output().unwrap(), "C\n");
        let run = Run::new("sh").unwrap().args(["-c", "kill -9 $$"]);
        assert!(run.output().unwrap_err().to_string().contains("signal: 9"));
    }
}
