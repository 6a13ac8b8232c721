//! From the facts about a phase to the one class of its failure.

use minos_model::{Failure, FailureClass, Phase};

use minos_sandbox::Status;

use crate::driver::{EARLY_EXIT, MARK};

/// Why pkgd itself stopped a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// No output for too long.
    Silence,
    /// Ran too long.
    Wall,
    /// Printed too much.
    LogLimit,
    /// The scratch file system is nearly full.
    DiskFull,
    /// Somebody asked.
    Cancelled,
}

/// Everything known about a finished phase.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The phase.
    pub phase: Phase,
    /// How its shell ended.
    pub status: Status,
    /// Why pkgd stopped it, where it did.
    pub stop: Option<Stop>,
    /// Processes killed for want of memory.
    pub oom_kills: u64,
    /// The limit that pkgd itself sets to the memory of the tree, in bytes; 0 where the machine's is all.
    pub memory_limit: u64,
    /// Forks refused since the limit of processes was reached.
    pub fork_failures: u64,
    /// Processes left behind when the shell ended.
    pub leftover: u64,
    /// The scratch file system has no room (bytes or inodes).
    pub disk_full: bool,
    /// Accesses the kernel reported as denied: path and right.
    pub denials: Vec<(String, String)>,
    /// The end of the output.
    pub tail: Vec<u8>,
}

/// The failure of a phase, or `None` when it went well.
///
/// The order is by certainty: what pkgd did itself, what the kernel counted, how the shell ended.
/// Denials alone are no failure (configure scripts try things), but they explain one.
pub fn classify(facts: &Facts) -> Option<Failure> {
    let (class, what, hint) = stopped(facts).or_else(|| ended(facts))?;
    Some(Failure { class, phase: Some(facts.phase), what, hint: hint.to_owned() })
}

type Verdict = (FailureClass, String, &'static str);

fn stopped(facts: &Facts) -> Option<Verdict> {
    Some(match facts.stop? {
        Stop::Silence => (
            FailureClass::Silence,
            format!("no output for the longest allowed time; last: {}", last_line(&facts.tail)),
            "look at the log; raise [limits] silence_s in the recipe if the phase is only slow",
        ),
        Stop::Wall => (
            FailureClass::Timeout,
            format!("ran for the longest allowed time; last: {}", last_line(&facts.tail)),
            "look at the log; raise [limits] wall_s in the recipe if the phase is only slow",
        ),
        Stop::LogLimit => (
            FailureClass::LogLimit,
            "printed more than the log may hold".to_owned(),
            "look at the end of the log for what repeats",
        ),
        Stop::DiskFull => disk_full(),
        // The engine records a cancelled step as cancelled, not failed; the class is never shown.
        Stop::Cancelled => (FailureClass::Signal, "cancelled".to_owned(), ""),
    })
}

fn disk_full() -> Verdict {
    (
        FailureClass::DiskFull,
        "the state's file system has no room left".to_owned(),
        "free space on the state's file system or give it a larger disk, then retry the job",
    )
}

fn ended(facts: &Facts) -> Option<Verdict> {
    if facts.status == Status::Exited(0) {
        return (facts.leftover > 0).then(|| {
            (
                FailureClass::LeftProcesses,
                format!("the script ended and left {} process(es) running", facts.leftover),
                "wait for or stop what the script starts in the background",
            )
        });
    }
    if facts.oom_kills > 0 {
        return Some((
            FailureClass::OutOfMemory,
            format!("{} process(es) were killed for want of memory", facts.oom_kills),
            match facts.memory_limit {
                0 => "build with fewer jobs (--jobs), or give the machine more memory",
                _ => {
                    "build with fewer jobs (--jobs), or raise the limit that pkgd was started with (--memory)"
                }
            },
        ));
    }
    if facts.disk_full {
        return Some(disk_full());
    }
    if facts.fork_failures > 0 {
        return Some((
            FailureClass::TooManyProcesses,
            format!("the limit of processes was reached; last: {}", last_line(&facts.tail)),
            "look in the log for what forks without end",
        ));
    }
    Some(by_status(facts))
}

fn by_status(facts: &Facts) -> Verdict {
    let Told { at, last } = told(&facts.tail);
    match (facts.status, facts.phase) {
        (Status::Signaled(signal), _) => (
            FailureClass::Signal,
            format!("the shell was killed by signal {signal}{last}"),
            "look at the log; signal 9 without a cgroup can be the kernel's out-of-memory killer",
        ),
        (Status::Exited(EARLY_EXIT), _) => (
            FailureClass::EarlyExit,
            "the script ended with status 0 before its last line".to_owned(),
            "look for 'exit' in the phase's script; only reaching the end counts as success",
        ),
        (Status::Exited(code), Phase::Check) => (
            FailureClass::Test,
            format!("the package's tests ended with status {code}{at}{last}"),
            "look at the log for the failed tests",
        ),
        (Status::Exited(code), Phase::Assert) => (
            FailureClass::Assert,
            format!("an assertion about the output failed with status {code}{at}{last}"),
            "the output is not what the recipe promises; look at the log",
        ),
        (Status::Exited(_), _) if !facts.denials.is_empty() => {
            let (path, right) = &facts.denials[facts.denials.len() - 1];
            (
                FailureClass::DeniedAccess,
                format!("access was denied: {right} on {path}{at}{last}"),
                "declare what the step needs in its recipe, or let it write below its prefix only",
            )
        }
        (Status::Exited(code), _) => (
            FailureClass::Script,
            format!("the script ended with status {code}{at}{last}"),
            hint_from(&facts.tail),
        ),
    }
}

/// The log cannot decide the class, but it can point to the next step.
fn hint_from(tail: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(tail);
    if text.contains("Read-only file system") || text.contains("Permission denied") {
        "the sandbox lets only install write outside /build and /tmp, and only below the prefix"
    } else if text.contains("Could not resolve host") || text.contains("Network is unreachable") {
        "there is no network in a build; declare what it downloads as a source"
    } else {
        "look at the log"
    }
}

/// What the end of the log says, as parts of a sentence.
struct Told {
    /// ` at build.sh:17: make`, where the driver told it.
    at: String,
    /// `; last: ` and the last line of anybody else.
    last: String,
}

/// A failure in a subshell is told by each shell on the way out: the first line is that of the command itself.
fn told(tail: &[u8]) -> Told {
    let text = String::from_utf8_lossy(tail);
    let lines = || text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let place = lines().map_while(|line| line.strip_prefix(MARK)).last();
    let place = place.map(|place| place.rsplit_once(": status ").map_or(place, |(at, _)| at));
    match (place, lines().find(|line| !line.starts_with(MARK))) {
        (Some(place), None) => Told { at: format!(" at {}", fits(place)), last: String::new() },
        (Some(place), Some(last)) => {
            Told { at: format!(" at {}", fits(place)), last: format!("; last: {}", fits(last)) }
        }
        (None, Some(last)) => Told { at: String::new(), last: format!("; last: {}", fits(last)) },
        (None, None) => {
            let last = "; last: (no output; look for 'exit' in the script)".to_owned();
            Told { at: String::new(), last }
        }
    }
}

/// The last line that says something.
fn last_line(tail: &[u8]) -> String {
    let text = String::from_utf8_lossy(tail);
    fits(text.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or("(no output)"))
}

/// What of a line goes into one line of a report.
fn fits(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use minos_model::{FailureClass, Phase};

    use super::{Facts, Status, Stop, classify};

    fn facts(status: Status) -> Facts {
        Facts {
            phase: Phase::Build,
            status,
            stop: None,
            oom_kills: 0,
            memory_limit: 0,
            fork_failures: 0,
            leftover: 0,
            disk_full: false,
            denials: Vec::new(),
            tail: b"cc1: internal error\n\n".to_vec(),
        }
    }

    fn class(facts: &Facts) -> Option<FailureClass> {
        classify(facts).map(|f| f.class)
    }

    #[test]
    fn success_is_only_status_zero_with_nobody_left() {
        assert_eq!(class(&facts(Status::Exited(0))), None);
        let left = Facts { leftover: 2, ..facts(Status::Exited(0)) };
        assert_eq!(class(&left), Some(FailureClass::LeftProcesses));
    }

    #[test]
    fn killed_is_not_exited() {
        assert_eq!(class(&facts(Status::Signaled(9))), Some(FailureClass::Signal));
        assert_eq!(class(&facts(Status::Exited(137))), Some(FailureClass::Script));
    }

    #[test]
    fn what_pkgd_did_itself_comes_first() {
        for (stop, expected) in [
            (Stop::Silence, FailureClass::Silence),
            (Stop::Wall, FailureClass::Timeout),
            (Stop::LogLimit, FailureClass::LogLimit),
            (Stop::DiskFull, FailureClass::DiskFull),
        ] {
            let facts = Facts { stop: Some(stop), oom_kills: 1, ..facts(Status::Signaled(9)) };
            assert_eq!(class(&facts), Some(expected));
        }
    }

    #[test]
    fn what_the_kernel_counted_comes_before_the_status() {
        let failed = Status::Exited(2);
        let oom = Facts { oom_kills: 1, fork_failures: 3, ..facts(failed) };
        assert_eq!(class(&oom), Some(FailureClass::OutOfMemory));
        // More memory for the machine is no help against a limit of pkgd's own.
        let limited = Facts { memory_limit: 1 << 30, ..oom };
        assert!(classify(&limited).unwrap().hint.contains("--memory"));
        let forks = Facts { fork_failures: 3, ..facts(failed) };
        assert_eq!(class(&forks), Some(FailureClass::TooManyProcesses));
        let full = Facts { disk_full: true, ..facts(failed) };
        assert_eq!(class(&full), Some(FailureClass::DiskFull));
    }

    #[test]
    fn the_phase_and_the_denial_give_the_name() {
        let at = |phase| class(&Facts { phase, ..facts(Status::Exited(2)) });
        assert_eq!(at(Phase::Build), Some(FailureClass::Script));
        assert_eq!(at(Phase::Check), Some(FailureClass::Test));
        assert_eq!(at(Phase::Assert), Some(FailureClass::Assert));
        assert_eq!(class(&facts(Status::Exited(213))), Some(FailureClass::EarlyExit));
        let denials = vec![("/etc/passwd".to_owned(), "write".to_owned())];
        let failure = classify(&Facts { denials, ..facts(Status::Exited(1)) }).unwrap();
        assert_eq!(failure.class, FailureClass::DeniedAccess);
        assert!(failure.what.contains("write on /etc/passwd"), "{}", failure.what);
    }

    /// A failed `test` left "last: (no output)" to whoever looked for it among 80 lines of shell.
    #[test]
    fn the_story_names_the_command() {
        let what = |tail: &str| {
            let facts = Facts { tail: tail.into(), ..facts(Status::Exited(1)) };
            classify(&facts).unwrap().what
        };
        let one = "pkgd: build.sh:17: test \"$(x)\" = y: status 1\n";
        let start = "the script ended with status 1";
        assert_eq!(what(one), format!("{start} at build.sh:17: test \"$(x)\" = y"));
        let two = format!("gcc -c a.c\n{one}pkgd: build.sh:18: ( test ): status 1\n");
        assert_eq!(
            what(&two),
            format!("{start} at build.sh:17: test \"$(x)\" = y; last: gcc -c a.c")
        );
        assert_eq!(what(""), format!("{start}; last: (no output; look for 'exit' in the script)"));
    }

    #[test]
    fn the_story_names_the_last_line() {
        let failure = classify(&facts(Status::Exited(2))).unwrap();
        assert!(failure.what.ends_with("last: cc1: internal error"), "{}", failure.what);
    }
}
