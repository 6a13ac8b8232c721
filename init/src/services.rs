//! The programs init starts: their arguments, environment and descriptors, and what they print.

use core::fmt::Write as _;

use heapless::{String, Vec};
use minos_proto::bootplan::{Command, NAME};

use crate::cmdline::{LogLevel, Options, cut};
use crate::console::LINE;
use crate::kernel::{Fd, PATH, Program, Stdio, Strings, Sys};
use crate::machine::Event;
use crate::runtime::Runtime;
use crate::sup::{SLOTS, Service};

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
/// What the built-in pkgd is told in any case: a key and its value, which is a file of the initramfs or not.
const PKGD_ARGUMENTS: [(&str, &str, bool); 5] = [
    ("--root", "/state", false),
    ("--seed", "/seed", true),
    ("--sources", "/sources", true),
    ("--recipes", "/usr/share/minos/recipes.idx", true),
    ("--socket", SOCKET, false),
];

/// What init has open of a program: where it says that it is ready, and what it prints.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    ready: Option<Fd>,
    output: Option<Fd>,
    /// The part of the output that is not a whole line yet.
    line: Vec<u8, LINE>,
}

impl Pipes {
    /// What to wait for.
    pub(crate) fn readers(&self) -> impl Iterator<Item = Fd> {
        [self.ready, self.output].into_iter().flatten()
    }
}

/// The index of the pipes of the current check's command, behind those of the services.
pub(crate) const CHECK: usize = SLOTS;

/// Environment of every program: nothing of the kernel's or of init's own is passed on.
fn environment(ready: bool, generation: u64) -> Strings {
    let mut env = Strings::default();
    // Short strings in an empty list: they fit.
    let _ = env.push("PATH=/usr/sbin:/usr/bin:/sbin:/bin") && env.push("TERM=vt220");
    if generation != 0 {
        let mut number: String<20> = String::new();
        let _ =
            write!(number, "{generation}").is_ok() && env.push_joined("MINOS_GENERATION=", &number);
    }
    if ready {
        // READY_FD is one digit (tested).
        let _ = env.push("MINOS_READY_FD=3");
    }
    env
}

/// Appends the arguments of the built-in pkgd; false when they do not fit. `place` is where the initramfs is.
fn push_built_in(argv: &mut Strings, place: &str) -> bool {
    let fits = PKGD_ARGUMENTS.iter().all(|(key, value, ours)| {
        argv.push(key) && argv.push_joined(if *ours { place } else { "" }, value)
    });
    fits && argv.push("--appliance")
}

/// Appends to the arguments of pkgd what only init knows; false when they do not fit, which the limits of
/// [`Options`] exclude.
pub fn push_told(
    argv: &mut Strings,
    options: &Options,
    control: Option<&str>,
    last_boot: Option<&str>,
) -> bool {
    let mut number: String<8> = String::new();
    if let Some(jobs) = options.jobs {
        let _ = write!(number, "{jobs}");
    }
    let pairs = [
        ("--control", control),
        ("--build", options.build.as_deref()),
        ("--then", options.then.map(crate::cmdline::Then::as_str)),
        ("--jobs", Some(number.as_str()).filter(|n| !n.is_empty())),
        ("--tests", options.tests.map(minos_proto::TestLevel::as_str)),
        ("--last-boot", last_boot),
    ];
    let mut told = pairs.iter().filter_map(|(key, value)| value.map(|v| (key, v)));
    told.all(|(key, value)| argv.push(key) && argv.push(value))
}

impl<S: Sys> Runtime<S> {
    /// Starts a service, and answers the machine.
    pub(crate) fn start(&mut self, service: Service) {
        let argv = self.command_of(service);
        let notify = service == Service::Pkgd
            || self.generation.spec(service).is_some_and(|spec| spec.notify);
        let started = match (argv, service) {
            (None, _) => None,
            (Some(argv), Service::Console) => self.spawn_on_terminal(argv),
            (Some(argv), _) => self.spawn_with_pipes(service.slot(), argv, notify),
        };
        match started {
            Some(pid) => {
                let name = self.generation.name_of(service);
                self.say(LogLevel::Debug, format_args!("{name} started, pid {pid}"));
                self.later(Event::Started(service, pid));
            }
            None => self.later(Event::NotStarted(service)),
        }
    }

    /// The words of a service: those of the plan, or the built-in ones.
    fn command_of(&self, service: Service) -> Option<Strings> {
        let mut argv = Strings::default();
        let spec = self.generation.spec(service);
        let place = self.generation.in_initramfs("");
        let fits = match (spec, service) {
            (Some(spec), _) => spec.command.words().all(|word| argv.push(word)),
            (None, Service::Pkgd) => {
                argv.push_joined(&place, &self.paths.pkgd) && push_built_in(&mut argv, &place)
            }
            (None, _) => {
                argv.push_joined(&place, &self.paths.console)
                    && argv.push("--socket")
                    && argv.push(SOCKET)
            }
        };
        let (control, last) = (self.control.as_deref(), self.last_boot.as_deref());
        let told =
            service != Service::Pkgd || fits && push_told(&mut argv, &self.options, control, last);
        (fits && told).then_some(argv)
    }

    /// Starts the command of a check.
    pub(crate) fn start_check(&mut self, command: &Command) -> Option<u32> {
        let mut argv = Strings::default();
        let fits = command.words().all(|word| argv.push(word));
        if fits { self.spawn_with_pipes(CHECK, argv, false) } else { None }
    }

    fn spawn_with_pipes(&mut self, slot: usize, argv: Strings, notify: bool) -> Option<u32> {
        self.close_pipes(slot);
        let (output, output_end) = self.checked("pipe", |sys| sys.pipe())?;
        self.pipes.get_mut(slot)?.output = Some(output);
        let mut ready_end = None;
        if notify {
            let pair = self.checked("pipe", |sys| sys.pipe());
            let Some((ready, end)) = pair else {
                self.sys.close(output_end);
                return None;
            };
            self.pipes.get_mut(slot)?.ready = Some(ready);
            ready_end = Some(end);
        }
        let envp = environment(notify, self.generation.number);
        let program = Program { argv, envp, stdio: Stdio::Pipe(output_end), ready: ready_end };
        let pid = self.spawn(&program);
        ready_end.into_iter().chain([output_end]).for_each(|fd| self.sys.close(fd));
        pid
    }

    /// Starts the shell of the rescue prompt.
    pub(crate) fn start_shell(&mut self) -> Option<u32> {
        let mut argv = Strings::default();
        if argv.push(SHELL) { self.spawn_on_terminal(argv) } else { None }
    }

    fn spawn_on_terminal(&mut self, argv: Strings) -> Option<u32> {
        let stdio = Stdio::Terminal(self.terminal.clone());
        let envp = environment(false, self.generation.number);
        self.spawn(&Program { argv, envp, stdio, ready: None })
    }

    fn spawn(&mut self, program: &Program) -> Option<u32> {
        let path: String<PATH> = cut(program.argv.iter().next().unwrap_or_default());
        // Asked first, because it gives an errno where the child could only give a 127.
        self.checked(&path, |sys| sys.executable(&path))?;
        self.checked(&path, |sys| sys.spawn(program))
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

    /// Closes what is left of an earlier program's pipes.
    fn close_pipes(&mut self, slot: usize) {
        self.take_lines(slot);
        self.finish_line(slot);
        let Some(pipes) = self.pipes.get_mut(slot) else { return };
        for fd in [pipes.ready.take(), pipes.output.take()].into_iter().flatten() {
            self.sys.close(fd);
        }
    }

    /// Takes what programs said: one read per turn and pipe, so that a flood cannot keep init busy.
    pub(crate) fn take_output(&mut self) {
        for slot in 0..self.pipes.len() {
            self.take_readiness(slot);
            self.take_lines(slot);
        }
    }

    fn take_readiness(&mut self, slot: usize) {
        let Some(fd) = self.pipes.get(slot).and_then(|p| p.ready) else { return };
        let mut byte = [0; 16];
        let ready = match self.sys.read(fd, &mut byte) {
            Ok(n) if byte[..n.min(16)].contains(&b'\n') => true,
            Ok(0) => false,
            Ok(_) | Err(_) => return,
        };
        self.sys.close(fd);
        if let Some(pipes) = self.pipes.get_mut(slot) {
            pipes.ready = None;
        }
        if ready {
            self.feed(Event::Ready(Service::of_slot(slot)));
        }
    }

    fn take_lines(&mut self, slot: usize) {
        let Some(fd) = self.pipes.get(slot).and_then(|p| p.output) else { return };
        let mut block = [0; 1024];
        match self.sys.read(fd, &mut block) {
            Ok(0) => {
                self.finish_line(slot);
                self.sys.close(fd);
                if let Some(pipes) = self.pipes.get_mut(slot) {
                    pipes.output = None;
                }
            }
            Ok(n) => {
                let name = self.name_of_slot(slot);
                for byte in block.get(..n).unwrap_or_default() {
                    self.take_byte(slot, *byte, LINE - name.len() - 2);
                }
            }
            Err(_) => {}
        }
    }

    fn name_of_slot(&self, slot: usize) -> String<NAME> {
        match slot {
            CHECK => cut("check"),
            slot => self.generation.name_of(Service::of_slot(slot)),
        }
    }

    fn take_byte(&mut self, slot: usize, byte: u8, room: usize) {
        if byte == b'\n' {
            return self.finish_line(slot);
        }
        if self.pipes.get(slot).is_some_and(|p| p.line.len() >= room) {
            self.finish_line(slot);
        }
        if let Some(pipes) = self.pipes.get_mut(slot) {
            // There is room now.
            let _ = pipes.line.push(byte);
        }
    }

    fn finish_line(&mut self, slot: usize) {
        let Some(pipes) = self.pipes.get_mut(slot) else { return };
        let line = core::mem::take(&mut pipes.line);
        if !line.is_empty() {
            let (name, text) = (self.name_of_slot(slot), Lossy(&line));
            self.say(LogLevel::Normal, format_args!("{name}: {text}"));
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
    use super::{Lossy, environment, push_built_in, push_told};
    use crate::bootrec::SENTENCE;
    use crate::cmdline::{Options, VALUE};
    use crate::kernel::{PATH, READY_FD, Strings};
    use crate::roots::INITRAMFS;

    fn pkgd_arguments(
        path: &str,
        place: &str,
        options: &Options,
        told: Option<(&str, &str)>,
    ) -> Option<Strings> {
        let mut argv = Strings::default();
        let (control, last) = (told.map(|t| t.0), told.map(|t| t.1));
        let fits = argv.push(path)
            && push_built_in(&mut argv, place)
            && push_told(&mut argv, options, control, last);
        fits.then_some(argv)
    }

    #[test]
    fn pkgd_is_told_what_the_command_line_says() {
        let options = Options::parse(
            "minos.build=base/zlib minos.then=poweroff minos.jobs=3 minos.tests=all",
        );
        let argv =
            pkgd_arguments("/bin/pkgd", "", &options, Some(("/dev/vport1p1", "boot 1 ended")));
        let argv: Vec<_> = argv.as_ref().unwrap().iter().collect();
        assert_eq!(
            argv.join("|"),
            "/bin/pkgd|--root|/state|--seed|/seed|--sources|/sources|--recipes|\
             /usr/share/minos/recipes.idx|--socket|/run/pkgd.sock|--appliance|\
             --control|/dev/vport1p1|--build|base/zlib|--then|poweroff|--jobs|3|--tests|all|--last-boot|boot 1 ended"
        );
        let bare = pkgd_arguments("/x", "/place", &Options::default(), None).unwrap();
        assert_eq!(
            bare.iter().collect::<Vec<_>>().join("|"),
            "/x|--root|/state|--seed|/place/seed|--sources|/place/sources|--recipes|\
             /place/usr/share/minos/recipes.idx|--socket|/run/pkgd.sock|--appliance"
        );
    }

    #[test]
    fn the_longest_arguments_fit() {
        let long = |n| "x".repeat(n);
        let line = format!(
            "minos.build={} minos.then=poweroff minos.jobs=1024 minos.tests=critical",
            long(VALUE)
        );
        let options = Options::parse(&line);
        assert!(options.build.is_some());
        let (path, sentence) = (long(PATH), long(SENTENCE));
        assert!(pkgd_arguments(&path, INITRAMFS, &options, Some((&path, &sentence))).is_some());
        let nul = pkgd_arguments("a\0b", "", &options, None);
        assert!(nul.is_none(), "a NUL byte would cut an argument in two");
    }

    #[test]
    fn nothing_else_is_in_the_environment() {
        let names = |ready, generation| {
            let env = environment(ready, generation);
            env.iter().map(|s| s.split('=').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert!(environment(true, 0).iter().any(|s| s == format!("MINOS_READY_FD={READY_FD}")));
        assert_eq!(names(true, 0), ["PATH", "TERM", "MINOS_READY_FD"]);
        assert_eq!(names(false, 0), ["PATH", "TERM"]);
        assert_eq!(names(true, 7), ["PATH", "TERM", "MINOS_GENERATION", "MINOS_READY_FD"]);
        assert!(
            environment(false, u64::MAX)
                .iter()
                .any(|s| s == format!("MINOS_GENERATION={}", u64::MAX))
        );
    }

    #[test]
    fn foreign_bytes_are_shown_as_question_marks() {
        assert_eq!(Lossy(b"a\xff\xfeb\xc3").to_string(), "a??b?");
    }
}
