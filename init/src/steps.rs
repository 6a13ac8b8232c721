//! How each step of [`crate::phase`] is done. A step answers at once, or gives its work to a helper
//! and answers [`Outcome::Working`].

use heapless::String;

use crate::cmdline::{LogLevel, Options, cut};
use crate::disks::{self, name};
use crate::kernel::{Errno, Job, Open, PATH, Setting, Sys};
use crate::machine::{Event, Outcome, Policy};
use crate::mounts::{CONTROLLERS, KERNEL_FS, already_mounted};
use crate::phase::{BOOT, DISK_WAIT_MS, DISK_WAIT_WANTED_MS, Phase, STOP, Step};
use crate::runtime::{Mode, Runtime};
use crate::sup::{Exit, GIVE_UP_AFTER};
use crate::watchdog::Watchdog;
use crate::{panic, power};

impl<S: Sys> Runtime<S> {
    /// Does a step, or begins it.
    pub(crate) fn perform(&mut self, step: Step) -> Outcome {
        if self.is_container() && !matches!(step, Step::Setup | Step::TermAll | Step::KillAll) {
            return Outcome::Done;
        }
        match step {
            Step::KernelFs => self.kernel_fs(),
            Step::Setup => self.set_up(),
            Step::Watchdog => self.arm_watchdog(),
            Step::State => self.mount_state(),
            Step::Volatile => self.mount_volatile(),
            Step::Seed => self.mount_image(step, name::SEED, "/seed"),
            Step::Sources => self.mount_image(step, name::SOURCES, "/sources"),
            Step::ReadRecord => self.read_record(),
            Step::Choose => self.choose(),
            Step::Record => self.record_boot(),
            Step::Channels => self.find_channels(),
            Step::Root => self.mount_root(),
            Step::RecordEnd => self.record_end(),
            Step::TermAll => self.term_all(),
            Step::KillAll => self.helped(step, &Job::KillAll),
            Step::FlushState => self.helped(step, &Job::Flush { path: "/state" }),
            Step::Unmount => self.helped(step, &Job::Unmount),
            Step::Sync => self.helped(step, &Job::Sync),
            // Walked through by the machine alone.
            Step::RescueAsked | Step::Services | Step::StopServices => Outcome::Done,
        }
    }

    /// Gives a job to a helper. Where no process can be made, init does it itself: the watchdog is
    /// the deadline then.
    pub(crate) fn helped(&mut self, step: Step, job: &Job) -> Outcome {
        match self.sys.helper(job) {
            Ok(pid) => {
                self.helper = Some((pid, step));
                Outcome::Working
            }
            Err(e) => {
                self.say(LogLevel::Quiet, format_args!("no helper process: {e}"));
                let status = crate::helper::run(&mut self.sys, job);
                self.judge(step, Exit::Exited(status))
            }
        }
    }

    /// A helper ended: the answer for the machine.
    pub(crate) fn helper_ended(&mut self, step: Step, exit: Exit) {
        let outcome = self.judge(step, exit);
        // Killing everything is over when the last child is reaped, not when the signal is sent.
        if step != Step::KillAll {
            self.feed(Event::Answer(step, outcome));
        }
    }

    fn judge(&mut self, step: Step, exit: Exit) -> Outcome {
        match exit {
            _ if step == Step::Root => self.root_mounted(exit),
            _ if step == Step::State && self.found.is_some() => self.mount_found(exit),
            Exit::Exited(0) => {
                self.succeeded(step);
                // As above; here there was no helper.
                if step == Step::KillAll { Outcome::Working } else { Outcome::Done }
            }
            Exit::Exited(n) => {
                let error = Errno::from_raw(i32::from(n));
                self.say(LogLevel::Quiet, format_args!("{}: {error}", name_of(step)));
                Outcome::Failed
            }
            Exit::Signaled { .. } => {
                self.say(LogLevel::Quiet, format_args!("{}: the helper {exit}", name_of(step)));
                Outcome::Failed
            }
        }
    }

    /// The deadline of a step is over.
    pub(crate) fn abandon(&mut self, step: Step) {
        if step == Step::Choose {
            self.end_choice();
        }
        if let Some((pid, _)) = self.helper.take_if(|(_, s)| *s == step) {
            // It may sit in an uninterruptible sleep; whenever it ends, it is reaped as an orphan.
            let _ = self.sys.kill(pid, libc::SIGKILL);
        }
    }

    pub(crate) fn report(&mut self, phase: &'static Phase, outcome: Outcome) {
        let name = phase.name;
        match (phase.step, outcome) {
            (Step::Sources, Outcome::Missing) => {
                self.say(LogLevel::Debug, format_args!("no sources disk"));
            }
            (Step::Watchdog | Step::Channels, Outcome::Missing) => {
                self.say(LogLevel::Debug, format_args!("no {name}"));
            }
            (Step::State, Outcome::Missing) => {
                self.looks.clear();
                let label = self.options.state.clone();
                let label = label.as_deref().unwrap_or(disks::name::STATE);
                self.say(
                    LogLevel::Quiet,
                    format_args!("{name}: no disk, partition or label is called '{label}'"),
                );
            }
            (Step::Root, _) => self.root_failed(outcome),
            (Step::Record, _) => {
                self.say(LogLevel::Quiet, format_args!("{name}: FAILED"));
                self.not_recorded();
            }
            // Nobody chose.
            (Step::Choose, _) => {}
            (_, Outcome::Missing) => {
                self.say(LogLevel::Quiet, format_args!("{name}: not there"));
            }
            _ => self.say(LogLevel::Quiet, format_args!("{name}: FAILED")),
        }
    }

    // ---- the machine ---------------------------------------------------------------------------

    fn kernel_fs(&mut self) -> Outcome {
        let mut outcome = Outcome::Done;
        for fs in KERNEL_FS {
            let made = self.sys.mkdir(fs.target).and_then(|()| self.sys.mount(&fs.mount()));
            if let Err(e) = made
                && !already_mounted(e)
            {
                self.say(LogLevel::Quiet, format_args!("{}: {e}", fs.target));
                outcome = Outcome::Failed;
            }
        }
        outcome
    }

    fn set_up(&mut self) -> Outcome {
        self.read_options();
        self.open_console();
        let container = self.is_container();
        let settings: &[Setting] = match container {
            true => &[Setting::Umask],
            false => &[
                Setting::Umask,
                Setting::NullStdio,
                Setting::Limits,
                Setting::Hostname,
                Setting::Loopback,
                Setting::CtrlAltDel,
            ],
        };
        for setting in settings {
            if let Err(e) = self.sys.apply(*setting) {
                self.say(LogLevel::Quiet, format_args!("{setting:?}: {e}"));
            }
        }
        if !container {
            self.set_up_machine();
        }
        Outcome::Done
    }

    fn set_up_machine(&mut self) {
        for controller in CONTROLLERS {
            // One at a time: a kernel without one of them still gives the others.
            let file = "/sys/fs/cgroup/cgroup.subtree_control";
            if let Err(e) = self.sys.write_file(file, controller.as_bytes()) {
                self.say(LogLevel::Quiet, format_args!("cgroup controller {controller}: {e}"));
            }
        }
        // PID 1 is never the right process to end when memory runs out.
        let _ = self.sys.write_file("/proc/self/oom_score_adj", b"-1000");
        for directory in ["/state", "/seed", "/sources"] {
            let _ = self.checked(directory, |sys| sys.mkdir(directory));
        }
        self.power = power::open(&mut self.sys);
        let buttons = self.power.len();
        self.say(LogLevel::Debug, format_args!("{buttons} power buttons"));
    }

    fn read_options(&mut self) {
        let mut buffer = [0; 4096];
        let line = match &self.mode {
            Mode::Container { cmdline, .. } => cmdline.as_str(),
            Mode::Machine => {
                let n = self.sys.read_file("/proc/cmdline", 0, &mut buffer).unwrap_or(0);
                let bytes = buffer.get(..n).unwrap_or_default();
                let end = bytes.utf8_chunks().next().map_or("", |c| c.valid());
                end.trim_end()
            }
        };
        let options = Options::parse(line);
        self.journal.set_level(options.log);
        let now = self.sys.now_ms();
        self.journal.say(now, LogLevel::Debug, format_args!("kernel command line: {line}"));
        self.machine.set_policy(policy(&options));
        for warning in &options.warnings {
            let (word, problem) = (&warning.word, warning.problem);
            self.say(LogLevel::Quiet, format_args!("{word}: {problem}; ignored"));
        }
        if options.more_warnings > 0 {
            let more = options.more_warnings;
            self.say(LogLevel::Quiet, format_args!("{more} more words ignored"));
        }
        self.options = options;
    }

    /// Finds the terminal: the one asked for, or the last of the kernel's consoles, which is the
    /// one behind `/dev/console`. That itself can be written to but never be a controlling terminal.
    fn open_console(&mut self) {
        let (log, terminal): (String<PATH>, String<PATH>) =
            match (&self.mode, &self.options.console) {
                (Mode::Container { .. }, _) => {
                    (cut("/proc/self/fd/2"), self.paths.terminal.clone())
                }
                (Mode::Machine, Some(name)) => (disks::device(name), disks::device(name)),
                (Mode::Machine, None) => {
                    let mut text = [0; 128];
                    let file = "/sys/class/tty/console/active";
                    let n = self.sys.read_file(file, 0, &mut text).unwrap_or(0);
                    let text = str::from_utf8(text.get(..n).unwrap_or_default()).unwrap_or("");
                    let name = text.split_whitespace().last().unwrap_or("console");
                    (cut("/dev/console"), disks::device(name))
                }
            };
        self.terminal = terminal;
        self.log = log;
        self.open_log();
        if let Mode::Container { events: Some(path), .. } = self.mode.clone() {
            self.open_port(&path);
        }
    }

    /// Opens the terminal of the log, or opens it again.
    pub(crate) fn open_log(&mut self) {
        let path = self.log.clone();
        if let Some(fd) = self.checked(&path, |sys| sys.open(&path, Open::Write)) {
            panic::set_console(fd);
            if let Some(old) = self.journal.open_terminal(fd) {
                self.sys.close(old);
            }
        }
    }

    fn arm_watchdog(&mut self) -> Outcome {
        if self.options.watchdog == 0 {
            return Outcome::Missing;
        }
        match Watchdog::arm(&mut self.sys, self.options.watchdog) {
            Ok((dog, seconds)) => {
                self.dog = Some(dog);
                self.say(LogLevel::Debug, format_args!("watchdog armed, {seconds} s"));
                Outcome::Done
            }
            Err(Errno::ENOENT) => Outcome::Missing,
            Err(e) => {
                self.say(LogLevel::Quiet, format_args!("watchdog: {e}"));
                Outcome::Failed
            }
        }
    }

    // ---- the host ------------------------------------------------------------------------------

    fn find_channels(&mut self) -> Outcome {
        let found = crate::channels::find(&mut self.sys);
        if self.journal.port_fd().is_none()
            && let Some(path) = &found.init
        {
            self.open_port(path);
        }
        self.control = found.control;
        match (self.journal.port_fd(), &self.control) {
            (Some(_), Some(_)) => Outcome::Done,
            _ if found.announced => Outcome::Pending,
            _ => Outcome::Missing,
        }
    }

    fn open_port(&mut self, path: &str) {
        if let Some(fd) = self.checked(path, |sys| sys.open(path, Open::Write)) {
            panic::set_port(fd);
            self.journal.open_port(fd);
        }
    }

    // ---- the way down --------------------------------------------------------------------------

    fn term_all(&mut self) -> Outcome {
        for signal in [libc::SIGTERM, libc::SIGCONT] {
            match self.sys.kill_all(signal) {
                // Nobody there: the machine hears of it from the reaper.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(e) => self.say(LogLevel::Quiet, format_args!("signal {signal} to all: {e}")),
            }
        }
        Outcome::Working
    }
}

fn name_of(step: Step) -> &'static str {
    BOOT.iter().chain(STOP).find(|row| row.step == step).map_or("?", |row| row.name)
}

fn policy(options: &Options) -> Policy {
    let wanted = options.build.is_some() || options.state.is_some();
    Policy {
        unattended: options.build.is_some(),
        then: options.then,
        rescue: options.rescue,
        disk_wait: if wanted { DISK_WAIT_WANTED_MS } else { DISK_WAIT_MS },
        restart_limit: options.restart_limit.unwrap_or(GIVE_UP_AFTER),
    }
}
