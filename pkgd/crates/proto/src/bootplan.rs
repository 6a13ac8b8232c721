//! The boot plan of a generation: which services init starts in it, and by which checks init knows
//! that the generation is good. pkgd compiles it when it stages a root; init decodes it into tables of
//! fixed size, without the heap. Byte by byte: `docs/formats/boot-plan.md`.
//!
//! A plan that can be decoded can be carried out: every bound and every reference is checked here, on
//! both sides. There is one encoding of a plan, so a plan that was compiled twice is the same file.

use core::fmt;

use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

/// Where the plan lies in a generation's root.
pub const PATH: &str = "usr/lib/minos/boot.plan";
/// What a plan starts with; the last digit is the version of the layout and of all that is in it.
pub const MAGIC: [u8; 8] = *b"MINOSBP1";
/// Bytes in front of the postcard value: magic, its length, CRC-32.
pub const HEADER: usize = 16;
/// The longest plan in bytes, header included; a longer file is none.
pub const MAX: usize = 12 * 1024;
/// The most services of a plan.
pub const SERVICES: usize = 24;
/// The most checks of a plan.
pub const CHECKS: usize = 12;
/// The longest host name in bytes.
pub const HOSTNAME: usize = 64;
/// The longest name of a service or a check in bytes.
pub const NAME: usize = 32;
/// The most words of a command.
pub const WORDS: usize = 16;
/// The longest command in bytes, one byte between two words included.
pub const COMMAND: usize = 256;
/// The longest deadline in milliseconds: one hour.
pub const MAX_DEADLINE_MS: u32 = 3_600_000;

/// How init treats a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Does something and exits with 0; then it is done.
    Oneshot,
    /// Runs until it is told to end.
    Daemon,
    /// A daemon on the terminal of the console, which becomes its controlling terminal. It takes the
    /// place of init's own console; a plan has at most one.
    Login,
}

/// A program and its arguments: words that are neither empty nor have control characters. The first is
/// an absolute path inside the root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command(String<COMMAND>);

impl Command {
    /// Makes a command of its words.
    ///
    /// # Errors
    /// [`PlanError::Command`] when there are none or too many, they are too long together, one is empty
    /// or has a control character, or the first is no absolute path.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, PlanError> {
        let mut text = String::new();
        for (i, word) in words.into_iter().enumerate() {
            // A line feed is a control character: it can be in no word.
            let gap = if i == 0 { "" } else { "\n" };
            let fits = text.push_str(gap).and_then(|()| text.push_str(word)).is_ok();
            if !fits || word.is_empty() || word.chars().any(char::is_control) {
                return Err(PlanError::Command);
            }
        }
        let command = Self(text);
        command.is_good().then_some(command).ok_or(PlanError::Command)
    }

    /// The words.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split('\n')
    }

    /// The program: an absolute path.
    pub fn program(&self) -> &str {
        self.words().next().unwrap_or_default()
    }

    fn is_good(&self) -> bool {
        self.program().len() > 1
            && self.program().starts_with('/')
            && self.words().count() <= WORDS
            && self.words().all(|w| !w.is_empty() && !w.chars().any(char::is_control))
    }
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Its name; no other service has it. The service `pkgd` takes the place of init's own.
    pub name: String<NAME>,
    /// How it is treated.
    pub kind: Kind,
    /// What is started. init appends to the words of `pkgd` what only it knows: `--control`, `--build`,
    /// `--then`, `--jobs`, `--tests`, `--last-boot`.
    pub command: Command,
    /// Bit i: it starts when service i is ready (a daemon that runs, a one-shot that is done), or has
    /// failed. Only services before this one can be named, so there are no cycles.
    pub after: u32,
    /// How long a one-shot may take, or a daemon that notifies until it is ready, in milliseconds. Then
    /// it is killed, which counts as a failure.
    pub deadline_ms: u32,
    /// After this many failures in quick succession it is not started any more; 0 = never.
    pub restart_limit: u8,
    /// It writes a line feed to the descriptor whose number is in `MINOS_READY_FD` when it is ready.
    pub notify: bool,
}

/// What a check looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "init has no heap to box a command on")]
pub enum What {
    /// pkgd has said that it is ready: the state opens, and it serves.
    PkgdReady,
    /// The program on the console has run for two seconds: what cannot be executed or loses its terminal
    /// is gone by then.
    ConsoleAnswered,
    /// The service with this index is ready, as for [`ServiceSpec::after`].
    ServiceUp(u8),
    /// This command exits with 0.
    Command(Command),
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSpec {
    /// Its name; no other check has it. The boot record keeps it when the check fails.
    pub name: String<NAME>,
    /// What it looks at.
    pub what: What,
    /// How long it may take, in milliseconds, from the end of the check before it.
    pub deadline_ms: u32,
}

/// The plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootPlan {
    /// The host name.
    pub hostname: String<HOSTNAME>,
    /// The services, each behind those it waits for.
    pub services: Vec<ServiceSpec, SERVICES>,
    /// The checks, in the order in which they are made. At least one: a generation that nothing is asked
    /// of would always be good.
    pub checks: Vec<CheckSpec, CHECKS>,
    /// How long all checks together may take, in milliseconds, from the start of the services on.
    pub gate_ms: u32,
}

/// Why a plan is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanError {
    /// The file is empty, cut or too long.
    Length,
    /// It does not start with the magic of this version.
    Magic,
    /// The checksum does not match.
    Checksum,
    /// The bytes are no plan, or not as the encoder writes it.
    Encoding,
    /// The host name is not one.
    Hostname,
    /// A name is not one, or two have the same.
    Name,
    /// A command is not one: see [`Command::new`].
    Command,
    /// A service waits for one that does not come before it, or a check asks for one that is not there.
    Reference,
    /// A deadline is 0 or longer than an hour.
    Deadline,
    /// There is more than one login, or no check at all.
    Count,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "it is empty, cut or too long",
            Self::Magic => "it does not start with the magic of this version",
            Self::Checksum => "its checksum does not match",
            Self::Encoding => "it is not encoded as a plan is",
            Self::Hostname => "the host name is not one",
            Self::Name => "a name is not one, or is given twice",
            Self::Command => "a command is not one",
            Self::Reference => "a service is referred to that is not there",
            Self::Deadline => "a deadline is not between 1 ms and an hour",
            Self::Count => "there are two logins, or no checks",
        })
    }
}

impl std::error::Error for PlanError {}

impl BootPlan {
    /// Whether the plan can be carried out.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), PlanError> {
        if !is_hostname(&self.hostname) {
            return Err(PlanError::Hostname);
        }
        let logins = self.services.iter().filter(|s| s.kind == Kind::Login).count();
        if self.checks.is_empty() || logins > 1 {
            return Err(PlanError::Count);
        }
        self.services.iter().enumerate().try_for_each(|(i, s)| self.check_service(i, s))?;
        self.checks.iter().enumerate().try_for_each(|(i, c)| self.check_check(i, c))?;
        is_deadline(self.gate_ms)
    }

    fn check_service(&self, index: usize, service: &ServiceSpec) -> Result<(), PlanError> {
        let twice = self.services.iter().take(index).any(|s| s.name == service.name);
        if twice || !is_name(&service.name) {
            return Err(PlanError::Name);
        }
        if !service.command.is_good() {
            return Err(PlanError::Command);
        }
        if u64::from(service.after) >> index != 0 {
            return Err(PlanError::Reference);
        }
        is_deadline(service.deadline_ms)
    }

    fn check_check(&self, index: usize, check: &CheckSpec) -> Result<(), PlanError> {
        let twice = self.checks.iter().take(index).any(|c| c.name == check.name);
        if twice || !is_name(&check.name) {
            return Err(PlanError::Name);
        }
        match &check.what {
            What::ServiceUp(n) if usize::from(*n) >= self.services.len() => {
                return Err(PlanError::Reference);
            }
            What::Command(command) if !command.is_good() => return Err(PlanError::Command),
            _ => {}
        }
        is_deadline(check.deadline_ms)
    }

    /// Writes the file's bytes into `buffer`, which [`MAX`] bytes are always enough for; how many.
    ///
    /// # Errors
    /// A rule that is broken; [`PlanError::Length`] when the buffer is too small.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, PlanError> {
        self.check()?;
        let (head, body) = buffer.split_at_mut_checked(HEADER).ok_or(PlanError::Length)?;
        let used = postcard::to_slice(self, body).map_err(|_| PlanError::Length)?.len();
        let length = u32::try_from(used).map_err(|_| PlanError::Length)?;
        head[..8].copy_from_slice(&MAGIC);
        head[8..12].copy_from_slice(&length.to_le_bytes());
        let sum = checksum(&head[..12], &body[..used]);
        head[12..].copy_from_slice(&sum.to_le_bytes());
        Ok(HEADER + used)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// Why they are no plan. Every single flipped bit is one of the reasons.
    pub fn decode(bytes: &[u8]) -> Result<Self, PlanError> {
        let (head, body) = bytes.split_at_checked(HEADER).ok_or(PlanError::Length)?;
        if head[..8] != MAGIC {
            return Err(PlanError::Magic);
        }
        let length = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        if bytes.len() > MAX || length as usize != body.len() {
            return Err(PlanError::Length);
        }
        if head[12..] != checksum(&head[..12], body).to_le_bytes() {
            return Err(PlanError::Checksum);
        }
        let plan: Self = postcard::from_bytes(body).map_err(|_| PlanError::Encoding)?;
        plan.check()?;
        // Numbers have longer forms, and bytes may follow: what the encoder would not write is no plan.
        let again = postcard::serialize_with_flavor(&plan, Same(body));
        if again == Ok(true) { Ok(plan) } else { Err(PlanError::Encoding) }
    }
}

/// Takes what an encoder writes and compares it with the bytes that are left; init has no room to encode
/// the plan a second time.
struct Same<'a>(&'a [u8]);

impl postcard::ser_flavors::Flavor for Same<'_> {
    /// All bytes were there, and no more.
    type Output = bool;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        let (first, rest) = self.0.split_first().ok_or(postcard::Error::SerializeBufferFull)?;
        self.0 = rest;
        if *first == byte { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.0.is_empty())
    }
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

/// Letters, digits and `.`, `_`, `+`, `-`, not one of these first: names of files without surprises.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
}

/// RFC 1123, as far as the kernel's host name is concerned.
fn is_hostname(name: &str) -> bool {
    let label = |l: &str| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-');
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
        && name.split('.').all(label)
}

const fn is_deadline(ms: u32) -> Result<(), PlanError> {
    if ms >= 1 && ms <= MAX_DEADLINE_MS { Ok(()) } else { Err(PlanError::Deadline) }
}

#[cfg(test)]
#[path = "bootplan_tests.rs"]
mod tests;
