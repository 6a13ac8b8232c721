//! The programs init starts: their arguments, environment and descriptors, and what they print.

use core::fmt::Write as _;

use heapless::{String, Vec};

use crate::cmdline::{LogLevel, Options};
use crate::console::LINE;
use crate::kernel::{PATH, Program, Stdio, Strings, Sys};
use crate::machine::Event;
use crate::runtime::Runtime;
use crate::sup::Service;

/// Where the programs are. Constants in the appliance; tests have stand-ins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The package daemon.
    pub pkgd: String<PATH>,
    /// The console shell.
    pub console: String<PATH>,
    /// The terminal of the console, for containers; the appliance asks the kernel.
    pub terminal: String<PATH>,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            pkgd: crate::cmdline::cut("/bin/pkgd"),
            console: crate::cmdline::cut("/bin/pkgctl"),
            terminal: crate::cmdline::cut("/proc/self/fd/0"),
        }
    }
}

/// Where pkgd listens.
const SOCKET: &str = "/run/pkgd.sock";
/// The shell of the rescue prompt.
pub const SHELL: &str = "/bin/sh";
/// What pkgd is told in any case.
const PKGD_ARGUMENTS: [&str; 11] = [
    "--root",
    "/state",
    "--seed",
    "/seed",
    "--sources",
    "/sources",
    "--recipes",
    "/usr/share/minos/recipes.idx",
    "--socket",
    SOCKET,
    "--appliance",
];

/// The part of a service's output that is not a whole line yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    line: Vec<u8, { LINE - FROM_PKGD.len() }>,
}

/// What stands in front of a line of pkgd's.
const FROM_PKGD: &str = "pkgd: ";

/// Environment of every program: nothing of the kernel's or of init's own is passed on.
fn environment(ready: bool) -> Strings {
    let mut env = Strings::default();
    // Short strings in an empty list: they fit.
    let _ = env.push("PATH=/usr/sbin:/usr/bin:/sbin:/bin") && env.push("TERM=vt220");
    if ready {
        // READY_FD is one digit (tested).
        let _ = env.push("MINOS_READY_FD=3");
    }
    env
}

/// The arguments of pkgd; `None` when they do not fit, which the limits of [`Options`] exclude.
pub fn pkgd_arguments(
    path: &str,
    options: &Options,
    control: Option<&str>,
    last_boot: Option<&str>,
) -> Option<Strings> {
    let mut argv = Strings::default();
    let mut fits = argv.push(path) && PKGD_ARGUMENTS.iter().all(|a| argv.push(a));
    let mut number: String<8> = String::new();
    if let Some(jobs) = options.jobs {
        let _ = write!(number, "{jobs}");
    }
    let pairs = [
        ("--control", control),
        ("--build", options.build.as_deref()),
        ("--then", options.then.map(crate::cmdline::Then::as_str)),
        ("--jobs", Some(number.as_str()).filter(|n| !n.is_empty())),
        ("--last-boot", last_boot),
    ];
    for (key, value) in pairs {
        if let Some(value) = value {
            fits = fits && argv.push(key) && argv.push(value);
        }
    }
    fits.then_some(argv)
}

fn list(words: &[&str]) -> Option<Strings> {
    let mut argv = Strings::default();
    words.iter().all(|w| argv.push(w)).then_some(argv)
}

impl<S: Sys> Runtime<S> {
    /// Starts a service, and answers the machine.
    pub(crate) fn start(&mut self, service: Service) {
        let started = match service {
            Service::Pkgd => self.start_pkgd(),
            Service::Console => self.start_console(),
        };
        match started {
            Some(pid) => {
                self.say(LogLevel::Debug, format_args!("{} started, pid {pid}", service.name()));
                self.later(Event::Started(service, pid));
            }
            None => self.later(Event::NotStarted(service)),
        }
    }

    fn start_pkgd(&mut self) -> Option<u32> {
        self.close_pipes();
        let argv = pkgd_arguments(
            &self.paths.pkgd,
            &self.options,
            self.control.as_deref(),
            self.last_boot.as_deref(),
        )?;
        let path = self.paths.pkgd.clone();
        let (ready, ready_end) = self.checked("pipe", |sys| sys.pipe())?;
        self.ready = Some(ready);
        let pair = self.checked("pipe", |sys| sys.pipe());
        let Some((output, output_end)) = pair else {
            self.sys.close(ready_end);
            return None;
        };
        self.output = Some(output);
        let stdio = Stdio::Pipe(output_end);
        let program = Program { argv, envp: environment(true), stdio, ready: Some(ready_end) };
        let pid = self.spawn(&path, &program);
        self.sys.close(ready_end);
        self.sys.close(output_end);
        pid
    }

    fn start_console(&mut self) -> Option<u32> {
        let path = self.paths.console.clone();
        let argv = list(&[&path, "--socket", SOCKET])?;
        self.spawn_on_terminal(&path, argv)
    }

    /// Starts the shell of the rescue prompt.
    pub(crate) fn start_shell(&mut self) -> Option<u32> {
        let argv = list(&[SHELL])?;
        self.spawn_on_terminal(SHELL, argv)
    }

    fn spawn_on_terminal(&mut self, path: &str, argv: Strings) -> Option<u32> {
        let stdio = Stdio::Terminal(self.terminal.clone());
        self.spawn(path, &Program { argv, envp: environment(false), stdio, ready: None })
    }

    fn spawn(&mut self, path: &str, program: &Program) -> Option<u32> {
        // Asked first, because it gives an errno where the child could only give a 127.
        self.checked(path, |sys| sys.executable(path))?;
        self.checked(path, |sys| sys.spawn(program))
    }

    /// Makes a call and says so when it failed.
    pub(crate) fn checked<T>(
        &mut self,
        what: &str,
        call: impl FnOnce(&mut S) -> crate::kernel::Result<T>,
    ) -> Option<T> {
        match call(&mut self.sys) {
            Ok(value) => Some(value),
            Err(e) => {
                self.say(LogLevel::Quiet, format_args!("{what}: {e}"));
                None
            }
        }
    }

    /// Closes what is left of an earlier pkgd's pipes.
    fn close_pipes(&mut self) {
        self.close_ready();
        self.take_lines();
        self.finish_line();
        if let Some(fd) = self.output.take() {
            self.sys.close(fd);
        }
    }

    pub(crate) fn close_ready(&mut self) {
        if let Some(fd) = self.ready.take() {
            self.sys.close(fd);
        }
    }

    /// Takes what pkgd printed: one read per turn, so that a flood of it cannot keep init busy.
    pub(crate) fn take_lines(&mut self) {
        let Some(fd) = self.output else { return };
        let mut block = [0; 1024];
        match self.sys.read(fd, &mut block) {
            Ok(0) => {
                self.finish_line();
                self.sys.close(fd);
                self.output = None;
            }
            Ok(n) => block.get(..n).unwrap_or_default().iter().for_each(|b| self.take_byte(*b)),
            Err(_) => {}
        }
    }

    fn take_byte(&mut self, byte: u8) {
        if byte == b'\n' {
            return self.finish_line();
        }
        if self.lines.line.is_full() {
            self.finish_line();
        }
        // There is room now.
        let _ = self.lines.line.push(byte);
    }

    fn finish_line(&mut self) {
        let line = core::mem::take(&mut self.lines.line);
        if !line.is_empty() {
            let text = Lossy(&line);
            self.say(LogLevel::Normal, format_args!("{FROM_PKGD}{text}"));
        }
    }
}

/// Bytes as text; what is no UTF-8 becomes one `?` a piece.
struct Lossy<'a>(&'a [u8]);

impl core::fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("?")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Lossy, environment, pkgd_arguments};
    use crate::bootrec::SENTENCE;
    use crate::cmdline::{Options, VALUE};
    use crate::kernel::{PATH, READY_FD};

    #[test]
    fn pkgd_is_told_what_the_command_line_says() {
        let options = Options::parse("minos.build=base/zlib minos.then=poweroff minos.jobs=3");
        let argv =
            pkgd_arguments("/bin/pkgd", &options, Some("/dev/vport1p1"), Some("boot 1 ended"));
        let argv: Vec<_> = argv.as_ref().unwrap().iter().collect();
        assert_eq!(
            argv.join("|"),
            "/bin/pkgd|--root|/state|--seed|/seed|--sources|/sources|--recipes|\
             /usr/share/minos/recipes.idx|--socket|/run/pkgd.sock|--appliance|\
             --control|/dev/vport1p1|--build|base/zlib|--then|poweroff|--jobs|3|--last-boot|boot 1 ended"
        );
        let bare = pkgd_arguments("/bin/pkgd", &Options::default(), None, None).unwrap();
        assert_eq!(bare.iter().count(), 12);
    }

    #[test]
    fn the_longest_arguments_fit() {
        let long = |n| "x".repeat(n);
        let line = format!("minos.build={} minos.then=poweroff minos.jobs=1024", long(VALUE));
        let options = Options::parse(&line);
        assert!(options.build.is_some());
        let (path, sentence) = (long(PATH), long(SENTENCE));
        assert!(pkgd_arguments(&path, &options, Some(&path), Some(&sentence)).is_some());
        let nul = pkgd_arguments("a\0b", &options, None, None);
        assert!(nul.is_none(), "a NUL byte would cut an argument in two");
    }

    #[test]
    fn nothing_else_is_in_the_environment() {
        let names = |ready| {
            let env = environment(ready);
            env.iter().map(|s| s.split('=').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert!(environment(true).iter().any(|s| s == format!("MINOS_READY_FD={READY_FD}")));
        assert_eq!(names(true), ["PATH", "TERM", "MINOS_READY_FD"]);
        assert_eq!(names(false), ["PATH", "TERM"]);
    }

    #[test]
    fn foreign_bytes_are_shown_as_question_marks() {
        assert_eq!(Lossy(b"a\xff\xfeb\xc3").to_string(), "a??b?");
    }
}
