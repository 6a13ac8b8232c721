//! The generation of this boot: which one it is, its root, its plan, and how it was judged.

use core::fmt::Write as _;

use heapless::String;
use minos_proto::bootplan::{self, BootPlan, CheckSpec, Kind, NAME, ServiceSpec, What};
use minos_proto::{BootEvent, BootNext, Standing, bootnext};

use crate::bootrec::{Culprit, Reason, Record};
use crate::choice::Chooser;
use crate::cmdline::{LogLevel, cut};
use crate::gate::{Check, Gate, Look};
use crate::kernel::{Errno, Job, PATH, Sys};
use crate::machine::{Blame, Event, Outcome};
use crate::panic;
use crate::phase::Step;
use crate::roots::{self, Fault, INITRAMFS};
use crate::runtime::Runtime;
use crate::services::{CHECK, Pipes};
use crate::sup::{Exit, Rules, Service};

/// The wish of pkgd, as init sees it.
pub(crate) const WISH: &str = "/state/boot/next";

/// Where the word is that a generation has passed its checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Proof {
    /// It has not, or everybody was told.
    #[default]
    None,
    /// In the record that is written next.
    Waits,
    /// In the record that a helper writes now.
    Written,
}

/// What this boot uses.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    /// Its number; 0 is the initramfs itself.
    pub(crate) number: u64,
    /// What it wants started; `None`: the built-in plan.
    plan: Option<Box<BootPlan>>,
    /// The record that the last boot left.
    last: Option<Record>,
    /// The record of this boot, until it is written down.
    pub(crate) planned: Option<Record>,
    /// There is a wish on the disk, good or not.
    pub(crate) wish_seen: bool,
    /// What was wrong with the root.
    culprit: Culprit,
    pub(crate) chooser: Option<Chooser>,
    /// How far the word that it has passed is on its way to the disk.
    proof: Proof,
}

impl Generation {
    /// What the plan says about a service.
    pub(crate) fn spec(&self, service: Service) -> Option<&ServiceSpec> {
        let plan = self.plan.as_ref()?;
        plan.services.iter().enumerate().find(|(i, s)| service_of(*i, s) == service).map(|(_, s)| s)
    }

    fn check(&self, index: u8) -> Option<&CheckSpec> {
        self.plan.as_ref()?.checks.get(usize::from(index))
    }

    /// The name of a service in log lines.
    pub(crate) fn name_of(&self, service: Service) -> String<NAME> {
        match (self.spec(service), service) {
            (Some(spec), _) => spec.name.clone(),
            (None, Service::Pkgd) => cut("pkgd"),
            (None, _) => cut("console"),
        }
    }

    fn name_of_check(&self, index: u8) -> String<NAME> {
        self.check(index).map_or_else(|| cut("pkgd"), |c| c.name.clone())
    }

    /// Where a path of the initramfs is in this boot.
    pub(crate) fn in_initramfs(&self, path: &str) -> String<PATH> {
        let mut out = String::new();
        if self.number != 0 {
            let _ = out.push_str(INITRAMFS);
        }
        // Short: a constant, or a path that a container was given.
        let _ = out.push_str(path);
        out
    }
}

/// Whose slot the service of a plan takes.
fn service_of(index: usize, spec: &ServiceSpec) -> Service {
    match spec.kind {
        Kind::Login => Service::Console,
        _ if spec.name == "pkgd" => Service::Pkgd,
        _ => Service::Other(index as u8),
    }
}

fn rules_of(plan: &BootPlan, spec: &ServiceSpec) -> Rules {
    let mut after = 0;
    for (i, other) in plan.services.iter().enumerate() {
        if spec.after >> i & 1 != 0 {
            after |= 1 << service_of(i, other).slot();
        }
    }
    let own = Rules {
        kind: spec.kind,
        after,
        deadline_ms: spec.deadline_ms.into(),
        limit: spec.restart_limit,
        notify: spec.notify,
    };
    match spec.name == "pkgd" && spec.kind != Kind::Login {
        true => Rules { after, ..Rules::pkgd(spec.restart_limit) },
        false => own,
    }
}

fn gate_of(plan: &BootPlan) -> Gate {
    let look = |what: &What| match what {
        What::PkgdReady => Look::Good(Service::Pkgd),
        What::ConsoleAnswered => Look::Answered,
        What::ServiceUp(n) => {
            let spec = plan.services.get(usize::from(*n));
            Look::Good(spec.map_or(Service::Other(*n), |s| service_of(usize::from(*n), s)))
        }
        What::Command(_) => Look::Command,
    };
    let checks = plan.checks.iter();
    let check = |c: &CheckSpec| Check { look: look(&c.what), deadline_ms: c.deadline_ms.into() };
    Gate::new(checks.map(check), plan.gate_ms.into())
}

impl<S: Sys> Runtime<S> {
    // ---- which one -----------------------------------------------------------------------------

    /// Decides which generation this boot uses, as far as nobody chooses another one.
    pub(crate) fn decide(&mut self, last: Option<Record>) -> Record {
        let wish = self.read_wish();
        self.generation.last = last;
        let next = match self.options.generation {
            Some(_) => Record::set_aside(last),
            None => Record::next_boot(last, wish.as_ref()),
        };
        self.generation.number = self.options.generation.unwrap_or(next.generation);
        next
    }

    fn read_wish(&mut self) -> Option<BootNext> {
        let mut bytes = [0; bootnext::SIZE + 1];
        let n = match self.sys.read_file(WISH, 0, &mut bytes) {
            Ok(n) => n,
            Err(Errno::ENOENT) => return None,
            Err(e) => {
                self.say(LogLevel::Quiet, format_args!("{WISH}: {e}"));
                return None;
            }
        };
        self.generation.wish_seen = true;
        let wish = BootNext::decode(bytes.get(..n).unwrap_or_default());
        if wish.is_none() {
            self.say(LogLevel::Quiet, format_args!("{WISH} is damaged: not obeyed"));
        }
        wish
    }

    /// Somebody chose a generation for this boot.
    pub(crate) fn chosen(&mut self, number: u64) {
        self.generation.planned = Some(Record::set_aside(self.generation.last));
        self.generation.number = number;
        self.say(LogLevel::Quiet, format_args!("generation {number}, for this boot"));
    }

    /// The record of this boot is on disk, so that it may be obeyed.
    pub(crate) fn recorded(&mut self) {
        let trial = self.book.record().is_some_and(|r| r.is_trial());
        self.machine.set_trial(trial.then(Gate::built_in));
    }

    /// It is not: a try that is not written down must not be used, or it would be used for ever. Nor is it used up:
    /// the next boot tries, whether what is written later comes to the disk or not.
    pub(crate) fn not_recorded(&mut self) {
        let now = self.sys.now_ms();
        self.book.failed(now);
        let Some(record) = self.book.record().filter(Record::is_trial) else { return };
        let (number, record) = (record.generation, record.untried(self.generation.last.as_ref()));
        self.generation.number = record.fallback;
        self.book.open(record);
        panic::set_record(Some(record));
        self.say(
            LogLevel::Quiet,
            format_args!(
                "generation {number} is not tried: its try cannot be written down; the next boot tries it"
            ),
        );
    }

    // ---- its root ------------------------------------------------------------------------------

    pub(crate) fn mount_root(&mut self) -> Outcome {
        match self.generation.number {
            0 => Outcome::Done,
            n => self.helped(Step::Root, &Job::Root(n)),
        }
    }

    /// The helper has mounted the root, or not.
    pub(crate) fn root_mounted(&mut self, exit: Exit) -> Outcome {
        let fault = match exit {
            Exit::Exited(0) => match self.enter_root() {
                Ok(()) => return Outcome::Done,
                Err(fault) => fault,
            },
            Exit::Exited(status) => Fault::from_status(status),
            Exit::Signaled { .. } => Fault::Failed(Errno::EINTR),
        };
        let mut name: String<32> = String::new();
        // The names of paths and errors are short.
        let (outcome, _) = match fault {
            Fault::Lacks(path) => (Outcome::Missing, name.push_str(path).is_ok()),
            Fault::Failed(e) => (Outcome::Failed, write!(name, "{e:?}").is_ok()),
        };
        self.generation.culprit = Culprit::new(&name);
        outcome
    }

    /// The root cannot be used; the initramfs stays what it is.
    pub(crate) fn root_failed(&mut self, outcome: Outcome) {
        roots::discard(&mut self.sys);
        let number = core::mem::take(&mut self.generation.number);
        let name = self.generation.culprit;
        let what = if outcome == Outcome::Missing { "it lacks" } else { "it cannot be mounted:" };
        self.say(
            LogLevel::Quiet,
            format_args!("the root of generation {number}: {what} {}", name.as_str()),
        );
        if !self.book.record().is_some_and(|r| r.is_trial()) {
            self.say(LogLevel::Quiet, format_args!("going on without it: this is the initramfs"));
        }
    }

    /// A generation on trial without a usable plan is bad: what it was made for cannot even be started. One that
    /// was proven, or chosen by hand, is there to be mended: with the built-in plan.
    fn enter_root(&mut self) -> Result<(), Fault> {
        let on_trial = self.machine.is_on_trial();
        let plan = self.read_plan();
        if let (true, Err(fault)) = (on_trial, &plan) {
            return Err(*fault);
        }
        roots::enter(&mut self.sys)?;
        match plan {
            Ok(plan) => self.adopt(plan),
            Err(_) => self.say(LogLevel::Quiet, format_args!("the built-in boot plan is used")),
        }
        let number = self.generation.number;
        let standing = if on_trial { Standing::Trial } else { Standing::Proven };
        self.say(LogLevel::Normal, format_args!("generation {number} {standing}"));
        self.tell(standing);
        Ok(())
    }

    fn tell(&mut self, standing: Standing) {
        let at_ms = self.sys.now_ms();
        let generation = match self.generation.number {
            // Its root was given up.
            0 => self.book.record().map_or(0, |r| r.generation),
            n => n,
        };
        self.journal.event(at_ms, &BootEvent::Generation { at_ms, generation, standing });
    }

    /// The plan of the root that is to be entered.
    fn read_plan(&mut self) -> Result<BootPlan, Fault> {
        let mut bytes = [0; bootplan::MAX + 1];
        let read = self.sys.read_file(&roots::plan_path(roots::NEW), 0, &mut bytes);
        match read.map(|n| BootPlan::decode(bytes.get(..n).unwrap_or_default())) {
            Ok(Ok(plan)) => Ok(plan),
            Ok(Err(e)) => {
                self.say(LogLevel::Quiet, format_args!("boot plan: {e}"));
                Err(Fault::Lacks("boot.plan (damaged)"))
            }
            Err(e) => {
                self.say(LogLevel::Quiet, format_args!("boot plan: {e}"));
                Err(Fault::Lacks("boot.plan"))
            }
        }
    }

    fn adopt(&mut self, plan: BootPlan) {
        if let Err(e) = self.sys.set_hostname(&plan.hostname) {
            self.say(LogLevel::Quiet, format_args!("host name: {e}"));
        }
        for (i, spec) in plan.services.iter().enumerate() {
            self.machine.plan(service_of(i, spec), rules_of(&plan, spec));
        }
        if self.machine.is_on_trial() {
            self.machine.set_trial(Some(gate_of(&plan)));
        }
        // The services do not run yet: the heap may still be used. Most boots never have a plan.
        self.generation.plan = Some(Box::new(plan));
        self.pipes.resize_with(CHECK + 1, Pipes::default);
    }

    // ---- its checks ----------------------------------------------------------------------------

    /// Runs the command of a check, and answers the machine.
    pub(crate) fn run_check(&mut self, index: u8) {
        let command = match self.generation.check(index).map(|c| &c.what) {
            Some(What::Command(command)) => Some(command.clone()),
            _ => None,
        };
        let pid = command.and_then(|c| self.start_check(&c));
        self.later(Event::CheckStarted(pid));
    }

    pub(crate) fn passed(&mut self, index: u8) {
        let name = self.generation.name_of_check(index);
        self.say(LogLevel::Normal, format_args!("check {name}: passed"));
    }

    pub(crate) fn end_check(&mut self, pid: u32) {
        // It may have ended just now.
        let _ = self.sys.kill_group(pid, libc::SIGKILL);
    }

    // ---- how it was judged ---------------------------------------------------------------------

    /// All checks are passed: the record says so, and when it is on disk the host hears of it.
    pub(crate) fn proven(&mut self) {
        self.book.passed();
        self.generation.proof = Proof::Waits;
    }

    /// A helper writes the record as it is now. One that was at work before writes an older one.
    pub(crate) fn record_begun(&mut self) {
        if self.generation.proof == Proof::Waits {
            self.generation.proof = Proof::Written;
        }
    }

    /// It has not.
    pub(crate) const fn record_lost(&mut self) {
        if let Proof::Written = self.generation.proof {
            self.generation.proof = Proof::Waits;
        }
    }

    /// It has written it.
    pub(crate) fn record_written(&mut self) {
        if self.generation.proof == Proof::Written {
            self.generation.proof = Proof::None;
            let number = self.generation.number;
            self.say(LogLevel::Normal, format_args!("generation {number} is proven"));
            self.tell(Standing::Passed);
        }
    }

    pub(crate) fn judged(&mut self, reason: Reason, blame: Blame) {
        let name = match blame {
            Blame::Check(index) => Culprit::new(&self.generation.name_of_check(index)),
            Blame::Service(service) => Culprit::new(&self.generation.name_of(service)),
            Blame::Root => self.generation.culprit,
        };
        let now = self.sys.wall_s();
        self.book.failing(reason, name, now);
        if let Some(failure) = self.book.record().and_then(|r| r.failure) {
            self.say(LogLevel::Quiet, format_args!("{failure}"));
        }
        self.tell(Standing::Failed);
    }
}

#[cfg(test)]
#[path = "generation_tests.rs"]
mod tests;
