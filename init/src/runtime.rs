//! The loop: wait, gather what happened, let the machine decide, do what it says.
//!
//! One turn never blocks but in `poll`, and `poll` always has a time-out. No error ends the loop:
//! a call that fails is a fact for the machine, or a line in the log.

use heapless::{Deque, String, Vec};
use minos_proto::{BootEvent, BootPhase};

use crate::bootrec::{Reason, SENTENCE};
use crate::cmdline::{LogLevel, Options};
use crate::console::{Journal, RETRY_MS};
use crate::disks::Name;
use crate::generation::Generation;
use crate::kernel::{Errno, Fd, MAX_WATCHES, PATH, Reaped, Sys, Watch};
use crate::machine::{Action, Actions, End, Ending, Event, Machine, Push};
use crate::phase::Step;
use crate::power::is_power_key;
use crate::record::Book;
use crate::rescue::Input;
use crate::services::{Paths, Pipes};
use crate::storage::Look;
use crate::sup::{Exit, Service};
use crate::watchdog::Watchdog;

/// Whether this is the PID 1 of a machine or of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a box would be a heap call")]
pub enum Mode {
    /// Of a machine: mounts, disks, watchdog, `reboot(2)`.
    Machine,
    /// Of a container (a pid namespace): nothing is mounted, and the end is an exit status.
    Container {
        /// Stands in for the kernel command line.
        cmdline: String<512>,
        /// A file or pipe that stands in for the host's port.
        events: Option<String<PATH>>,
    },
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Off {
    /// How and why.
    pub ending: Ending,
    /// The first step that left a file system other than it should be.
    pub unclean: Option<&'static str>,
}

impl Off {
    /// Whether file systems and disks are as they should be.
    pub const fn is_clean(&self) -> bool {
        self.unclean.is_none()
    }
}

/// The open rescue prompt.
#[derive(Debug, Default)]
pub(crate) struct Prompt {
    pub(crate) fd: Option<Fd>,
    pub(crate) input: Input,
    pub(crate) shell: Option<u32>,
}

/// The longest sleep of the loop when nothing is due, in milliseconds.
const SLEEP_MS: u64 = 60_000;
/// The longest sleep while nothing can tell of signals.
const BLIND_SLEEP_MS: u64 = 250;
/// Signals and children taken in one turn; the rest is taken by the next, after the watchdog.
const BATCH: usize = 256;

/// PID 1: the machine and everything it owns.
#[derive(Debug)]
pub struct Runtime<S> {
    pub(crate) sys: S,
    pub(crate) mode: Mode,
    pub(crate) paths: Paths,
    pub(crate) machine: Machine,
    pub(crate) journal: Journal,
    pub(crate) options: Options,
    pub(crate) book: Book,
    pub(crate) log: String<PATH>,
    pub(crate) terminal: String<PATH>,
    pub(crate) control: Option<String<PATH>>,
    pub(crate) last_boot: Option<String<SENTENCE>>,
    pub(crate) generation: Generation,
    /// By the slots of the services, and of the checks behind them. As many as the plan needs: made before
    /// the services run.
    pub(crate) pipes: std::vec::Vec<Pipes>,
    pub(crate) helper: Option<(u32, Step)>,
    /// The state disk, while a helper looks at it before it is mounted.
    pub(crate) found: Option<Name>,
    /// What is known of the labels of disks, while the state disk is looked for by its own.
    pub(crate) looks: std::vec::Vec<Look>,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) dog: Option<Watchdog>,
    pub(crate) power: Vec<Fd, 2>,
    wake: Option<Fd>,
    queue: Deque<Event, 48>,
    hurry: bool,
    /// The services were started in this turn.
    booted: bool,
    started_at: u64,
    over: Option<Off>,
    /// Calls of the heap until the services were started.
    #[cfg(debug_assertions)]
    heap_calls: u64,
}

impl<S: Sys> Runtime<S> {
    /// A machine that has not started.
    pub fn new(sys: S, mode: Mode, paths: Paths) -> Self {
        Self {
            sys,
            mode,
            paths,
            machine: Machine::new(),
            journal: Journal::new(),
            options: Options::default(),
            book: Book::default(),
            log: String::new(),
            terminal: String::new(),
            control: None,
            last_boot: None,
            generation: Generation::default(),
            pipes: [Pipes::default(), Pipes::default()].into(),
            helper: None,
            found: None,
            looks: std::vec::Vec::new(),
            prompt: None,
            dog: None,
            power: Vec::new(),
            wake: None,
            queue: Deque::new(),
            hurry: false,
            booted: false,
            started_at: 0,
            over: None,
            #[cfg(debug_assertions)]
            heap_calls: 0,
        }
    }

    /// Runs until the machine is to go off. Does not return before.
    pub fn run(&mut self) -> Off {
        self.begin();
        loop {
            if let Some(off) = self.turn() {
                return off;
            }
        }
    }

    /// The first event.
    pub fn begin(&mut self) {
        let now = self.sys.now_ms();
        self.journal.phase(now, BootPhase::Start);
        self.started_at = now;
        self.feed(Event::Start);
    }

    /// One turn of the loop.
    pub fn turn(&mut self) -> Option<Off> {
        if self.wake.is_none() {
            self.wake = self.sys.wake_fd().ok();
        }
        self.wait();
        self.take_signals();
        self.take_output();
        self.take_power();
        self.take_typing();
        self.reap();
        self.feed(Event::Tick);
        self.save_record();
        self.journal.flush(&mut self.sys);
        if let Some(dog) = &mut self.dog {
            dog.feed(&mut self.sys);
        }
        if core::mem::take(&mut self.booted) {
            // A boot plan is read and decoded on the stack, which never shrinks by itself. Here it is short.
            self.sys.release_stack();
        }
        self.over
    }

    /// The machine, for tests and log lines.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// One attempt to end the machine; returns only when it failed.
    pub fn leave(&mut self, off: Off) -> Errno {
        // A machine that is to stay down must not be woken by its watchdog. For a reboot it stays
        // armed: a reboot that hangs is cut too.
        if off.ending.end != End::Reboot
            && let Some(dog) = self.dog.take()
        {
            dog.disarm(&mut self.sys);
        }
        let error = self.sys.reboot(off.ending.end);
        self.say(LogLevel::Quiet, format_args!("reboot(2) failed: {error}; trying again"));
        self.journal.flush(&mut self.sys);
        self.sys.sleep_ms(1_000);
        error
    }

    pub(crate) fn say(&mut self, level: LogLevel, text: core::fmt::Arguments<'_>) {
        let now = self.sys.now_ms();
        self.journal.say(now, level, text);
    }

    pub(crate) const fn is_container(&self) -> bool {
        matches!(self.mode, Mode::Container { .. })
    }

    // ---- waiting -------------------------------------------------------------------------------

    fn timeout(&mut self) -> u64 {
        let now = self.sys.now_ms();
        let due = self.machine.deadline().map_or(SLEEP_MS, |d| d.saturating_sub(now));
        let limits = [
            Some(SLEEP_MS),
            self.hurry.then_some(0),
            self.book
                .due()
                .filter(|_| self.machine.keeps_record())
                .map(|due| due.saturating_sub(now)),
            self.wake.is_none().then_some(BLIND_SLEEP_MS),
            self.journal.wants_retry().then_some(RETRY_MS),
            self.dog.as_ref().map(Watchdog::longest_sleep_ms),
        ];
        limits.into_iter().flatten().fold(due, u64::min)
    }

    fn wait(&mut self) {
        let timeout = self.timeout();
        self.hurry = false;
        let typing = self.prompt.as_ref().filter(|p| p.shell.is_none()).and_then(|p| p.fd);
        let mut watches: Vec<Watch, MAX_WATCHES> = Vec::new();
        let programs = self.pipes.iter().flat_map(Pipes::readers);
        let own = [self.wake, typing].into_iter().flatten().chain(self.power.iter().copied());
        for fd in own.chain(programs) {
            // Two, two buttons, two for each program, one terminal.
            let _ = watches.push(Watch { fd, write: false, ready: false });
        }
        if let Some(watch) = self.journal.watch() {
            let _ = watches.push(watch);
        }
        let failed = self.sys.poll(&mut watches, timeout).is_err_and(|e| e != Errno::EINTR);
        let terminal_ready = watches.iter().any(|w| w.write && w.ready);
        if self.journal.is_hung_up() {
            self.open_log();
        }
        let took = self.journal.flush(&mut self.sys);
        if failed || terminal_ready && !took {
            // Nothing to wait with, or a terminal that is "ready" (hung up) and takes nothing: no
            // busy loop.
            self.sys.sleep_ms(50);
        }
    }

    // ---- gathering -----------------------------------------------------------------------------

    fn take_signals(&mut self) {
        for _ in 0..BATCH {
            let Ok(Some(signal)) = self.sys.next_signal() else { return };
            #[cfg(debug_assertions)]
            assert_ne!(signal, libc::SIGABRT, "asked for by a test");
            if let Some(ending) = asked_by(signal) {
                self.feed(Event::Asked(ending));
            }
        }
        self.hurry = true;
    }

    fn take_power(&mut self) {
        for i in 0..self.power.len() {
            let mut events = [0; crate::sys::INPUT_EVENT * 4];
            let n = self.sys.read(self.power[i], &mut events).unwrap_or(0);
            if is_power_key(events.get(..n).unwrap_or_default()) {
                let reason = Reason::PowerButton;
                self.feed(Event::Asked(Ending { end: End::PowerOff, reason }));
            }
        }
    }

    fn reap(&mut self) {
        for _ in 0..BATCH {
            match self.sys.reap() {
                Ok(Reaped::Child(pid, exit)) => self.child_ended(pid, exit),
                Ok(Reaped::NoChildren) => return self.feed(Event::NoChildren),
                Ok(Reaped::Busy) | Err(_) => return,
            }
        }
        self.hurry = true;
    }

    /// The one place where the end of a process is given to whoever it belongs to.
    fn child_ended(&mut self, pid: u32, exit: Exit) {
        if let Some((_, step)) = self.helper.take_if(|(p, _)| *p == pid) {
            return self.helper_ended(step, exit);
        }
        if let Some(look) = self.looks.iter_mut().find(|look| look.pid == pid) {
            return look.answered(exit);
        }
        if self.book.scribe_ended(pid) {
            return self.scribe_ended(exit);
        }
        if self.machine.check_pid() == Some(pid) {
            self.take_output();
            self.say(LogLevel::Debug, format_args!("check (pid {pid}) {exit}"));
            return self.feed(Event::CheckEnded(exit));
        }
        if let Some(service) = self.machine.service_of(pid) {
            self.take_output();
            let name = self.generation.name_of(service);
            self.say(LogLevel::Normal, format_args!("{name} (pid {pid}) {exit}"));
            return self.feed(Event::Ended(service, exit));
        }
        self.shell_ended(pid);
    }

    // ---- deciding and doing --------------------------------------------------------------------

    /// Lets the machine take an event, does what it says, and goes on with the answers.
    pub(crate) fn feed(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next {
            let mut actions = Actions::default();
            let now = self.sys.now_ms();
            self.machine.step(now, event, &mut actions);
            for action in actions.as_slice() {
                self.apply(*action);
            }
            next = self.queue.pop_front();
        }
    }

    /// An event that is to be taken after the current one.
    pub(crate) fn later(&mut self, event: Event) {
        if self.queue.push_back(event).is_err() {
            self.say(LogLevel::Quiet, format_args!("an event was lost"));
        }
    }

    fn apply(&mut self, action: Action) {
        match action {
            Action::Perform(step) => {
                self.hurry |= matches!(step, Step::TermAll | Step::KillAll);
                let outcome = self.perform(step);
                self.later(Event::Answer(step, outcome));
            }
            Action::Abandon(step) => self.abandon(step),
            Action::Overrun(phase) => {
                let (name, limit) = (phase.name, phase.deadline_ms);
                self.say(LogLevel::Quiet, format_args!("{name}: not done within {limit} ms"));
                self.abandon(phase.step);
            }
            Action::Report(phase, outcome) => self.report(phase, outcome),
            Action::Reached(phase) => self.reached(phase),
            Action::Start(service) => self.start(service),
            Action::Push(service, push) => self.push(service, push),
            Action::Restarting { service, exit, delay } => self.restarting(service, exit, delay),
            Action::NotReady(service) => {
                let name = self.generation.name_of(service);
                self.say(
                    LogLevel::Quiet,
                    format_args!("{name} is not ready in time: it is killed"),
                );
            }
            Action::Lost(service) => {
                let name = self.generation.name_of(service);
                self.say(LogLevel::Quiet, format_args!("{name} failed too often: done without"));
            }
            Action::Check(index) => self.run_check(index),
            Action::Passed(index) => self.passed(index),
            Action::EndCheck(pid) => self.end_check(pid),
            Action::Proven => self.proven(),
            Action::Judged(reason, blame) => self.judged(reason, blame),
            Action::OpenRescue(why) => self.open_rescue(why),
            Action::CloseRescue => self.close_rescue(),
            Action::Ending(ending) => self.ending(ending),
            Action::Off { ending, unclean } => self.off(Off { ending, unclean }),
        }
    }

    fn reached(&mut self, phase: BootPhase) {
        let now = self.sys.now_ms();
        self.journal.phase(now, phase);
        #[cfg(debug_assertions)]
        if phase == BootPhase::Services {
            self.heap_calls = crate::sys::counting::calls();
        }
        if phase == BootPhase::Services {
            let took = now.saturating_sub(self.started_at);
            self.say(
                LogLevel::Debug,
                format_args!("from init's first line to services: {took} ms"),
            );
        }
        self.booted |= phase == BootPhase::Services;
        if phase == BootPhase::Ready {
            self.say(LogLevel::Normal, format_args!("pkgd is ready"));
        }
        if phase > BootPhase::Recorded && phase < BootPhase::Stopping {
            self.book.reached(phase);
        }
    }

    fn push(&mut self, service: Service, push: Push) {
        let Some(pid) = self.machine.pid(service) else { return };
        let signals: &[i32] = match (push, service) {
            (Push::Kill, _) => &[libc::SIGKILL],
            (Push::Term, Service::Pkgd | Service::Other(_)) => &[libc::SIGTERM, libc::SIGCONT],
            // An interactive shell ignores SIGTERM; its terminal hanging up ends it.
            (Push::Term, Service::Console) => &[libc::SIGHUP, libc::SIGTERM, libc::SIGCONT],
        };
        for signal in signals {
            // The programs of the others share their process group; pkgd ends its steps itself.
            let done = match service {
                Service::Console | Service::Other(_) => self.sys.kill_group(pid, *signal),
                Service::Pkgd => self.sys.kill(pid, *signal),
            };
            // It may have ended just now.
            if let Err(e) = done {
                self.say(LogLevel::Debug, format_args!("signal {signal} to pid {pid}: {e}"));
            }
        }
    }

    fn restarting(&mut self, service: Service, exit: Option<Exit>, delay: u64) {
        let name = self.generation.name_of(service);
        self.say(LogLevel::Quiet, format_args!("{name} will be started again in {delay} ms"));
        let at_ms = self.sys.now_ms();
        let event = BootEvent::Restart {
            at_ms,
            service: crate::cmdline::cut(&name),
            status: exit.map_or(127, Exit::code),
            delay_ms: u32::try_from(delay).unwrap_or(u32::MAX),
        };
        self.journal.event(at_ms, &event);
        self.book.restarts(self.machine.pkgd_restarts());
    }

    fn ending(&mut self, ending: Ending) {
        let how = match ending.end {
            End::PowerOff => "powering off",
            End::Halt => "halting",
            End::Reboot => "rebooting",
        };
        self.say(LogLevel::Normal, format_args!("{how}: {}", why_ending(ending.reason)));
        self.book.ending(ending.reason);
        #[cfg(debug_assertions)]
        {
            let all = crate::sys::counting::calls();
            let since = all - self.heap_calls;
            self.say(LogLevel::Debug, format_args!("heap calls: {all} in all, {since} cruising"));
        }
    }

    fn off(&mut self, off: Off) {
        let at_ms = self.sys.now_ms();
        let reboot = off.ending.end == End::Reboot;
        self.journal.event(at_ms, &BootEvent::Bye { at_ms, reboot, clean: off.is_clean() });
        match off.unclean {
            None => self.say(LogLevel::Normal, format_args!("down, file systems clean")),
            Some(step) => {
                self.say(
                    LogLevel::Quiet,
                    format_args!("down, file systems NOT clean: {step} failed"),
                );
            }
        }
        self.journal.flush(&mut self.sys);
        self.over = Some(off);
    }
}

fn asked_by(signal: i32) -> Option<Ending> {
    let (end, reason) = match signal {
        libc::SIGUSR2 | libc::SIGPWR => (End::PowerOff, Reason::PowerOff),
        libc::SIGUSR1 => (End::Halt, Reason::Halt),
        libc::SIGTERM => (End::Reboot, Reason::Reboot),
        libc::SIGINT => (End::Reboot, Reason::CtrlAltDel),
        _ => return None,
    };
    Some(Ending { end, reason })
}

const fn why_ending(reason: Reason) -> &'static str {
    match reason {
        Reason::CtrlAltDel => "Ctrl-Alt-Del",
        Reason::PowerButton => "the power button was pressed",
        Reason::RescueTimeout => "nobody answered the rescue prompt",
        Reason::RescueAsked => "asked for at the rescue prompt",
        reason if reason.is_judgement() => "the generation has failed",
        _ => "asked for by a signal",
    }
}

#[cfg(test)]
#[path = "runtime_tests.rs"]
pub(crate) mod tests;
