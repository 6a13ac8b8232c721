//! The files in which packages describe services, and packages and users describe checks.

use minos_proto::bootplan::{COMMAND, Command, Kind, MAX_DEADLINE_MS, NAME, WORDS};
use serde::Deserialize;

/// Seconds a service has to be up where its file says nothing.
const SERVICE_DEADLINE_S: u32 = 30;
/// Failures in quick succession after which a service is given up where its file says nothing.
const RESTARTS: u8 = 5;
/// Seconds a check has where its file says nothing.
const CHECK_DEADLINE_S: u32 = 60;

/// A service as its file has it.
#[derive(Debug)]
pub struct Service {
    /// How init treats it.
    pub kind: Kind,
    /// What is started.
    pub command: Command,
    /// Names of the services it starts behind.
    pub after: Vec<String>,
    /// How long it has to be up, in milliseconds.
    pub deadline_ms: u32,
    /// After so many failures in quick succession it is given up; 0 = never.
    pub restart_limit: u8,
    /// It says itself when it is ready.
    pub notify: bool,
    /// A generation in which it is not up is not good.
    pub required: bool,
}

/// A check as its file has it.
#[derive(Debug)]
pub struct Check {
    /// What must exit with 0.
    pub command: Command,
    /// Within so many milliseconds.
    pub deadline_ms: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftService {
    #[serde(default)]
    kind: DraftKind,
    exec: Vec<String>,
    #[serde(default)]
    after: Vec<String>,
    deadline_s: Option<u32>,
    restart: Option<u8>,
    #[serde(default)]
    notify: bool,
    #[serde(default)]
    required: bool,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum DraftKind {
    Oneshot,
    #[default]
    Daemon,
    Login,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftCheck {
    exec: Vec<String>,
    deadline_s: Option<u32>,
}

impl Service {
    /// Reads the text of a service's file.
    ///
    /// # Errors
    /// It is no service, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let draft: DraftService = toml::from_str(text).map_err(|e| explain(text, &e))?;
        if draft.notify && draft.kind != DraftKind::Daemon {
            return Err("only a daemon can notify".to_owned());
        }
        Ok(Self {
            kind: match draft.kind {
                DraftKind::Oneshot => Kind::Oneshot,
                DraftKind::Daemon => Kind::Daemon,
                DraftKind::Login => Kind::Login,
            },
            command: command(&draft.exec)?,
            after: draft.after,
            deadline_ms: milliseconds(draft.deadline_s.unwrap_or(SERVICE_DEADLINE_S))?,
            restart_limit: draft.restart.unwrap_or(RESTARTS),
            notify: draft.notify,
            required: draft.required,
        })
    }
}

impl Check {
    /// Reads the text of a check's file.
    ///
    /// # Errors
    /// It is no check, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let draft: DraftCheck = toml::from_str(text).map_err(|e| explain(text, &e))?;
        let deadline = draft.deadline_s.unwrap_or(CHECK_DEADLINE_S);
        Ok(Self { command: command(&draft.exec)?, deadline_ms: milliseconds(deadline)? })
    }
}

/// Whether a service or check can have this name.
///
/// # Errors
/// It cannot, in words.
pub fn check_name(text: &str) -> Result<(), String> {
    let good = (1..=NAME).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b));
    let bad = || format!("a name is 1 to {NAME} letters, digits, '.', '_', '+', '-'");
    good.then_some(()).ok_or_else(bad)
}

fn command(words: &[String]) -> Result<Command, String> {
    let absolute = words.first().is_some_and(|word| word.starts_with('/') && word.len() > 1);
    if !absolute {
        return Err("exec: the first word must be the absolute path of a program".to_owned());
    }
    Command::new(words.iter().map(String::as_str)).map_err(|_| {
        format!(
            "exec: at most {WORDS} words of {COMMAND} bytes together, none empty, no control characters"
        )
    })
}

fn milliseconds(seconds: u32) -> Result<u32, String> {
    let ms = seconds.checked_mul(1000).filter(|ms| (1..=MAX_DEADLINE_MS).contains(ms));
    ms.ok_or_else(|| format!("deadline_s: 1 to {} seconds", MAX_DEADLINE_MS / 1000))
}

/// What is wrong with a file, and in which line of it.
fn explain(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    match before {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use minos_proto::bootplan::Kind;

    use super::{Check, Service, check_name};

    #[test]
    fn what_a_file_leaves_out_is_usual() {
        let service = Service::parse("exec = [\"/usr/sbin/sshd\", \"-D\"]").unwrap();
        assert_eq!(service.kind, Kind::Daemon);
        assert_eq!(service.command.words().collect::<Vec<_>>(), ["/usr/sbin/sshd", "-D"]);
        assert_eq!((service.deadline_ms, service.restart_limit), (30_000, 5));
        assert!(service.after.is_empty() && !service.notify && !service.required);
        assert_eq!(Check::parse("exec = [\"/bin/true\"]").unwrap().deadline_ms, 60_000);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let cases = [
            ("exec = [\"/x\"]\nexce = 1", "line 2: unknown field"),
            ("kind = \"demon\"\nexec = [\"/x\"]", "line 1: unknown variant"),
            ("after = []", "missing field `exec`"),
            ("exec = []", "absolute path"),
            ("exec = [\"sshd\"]", "absolute path"),
            ("exec = [\"/x\", \"\"]", "none empty"),
            ("exec = [\"/x\"]\ndeadline_s = 3601", "1 to 3600"),
            ("exec = [\"/x\"]\ndeadline_s = 0", "1 to 3600"),
            ("exec = [\"/x\"]\nrestart = 256", "line 2"),
            ("kind = \"oneshot\"\nnotify = true\nexec = [\"/x\"]", "only a daemon"),
            ("exec = [", "line 1"),
        ];
        for (text, part) in cases {
            let error = Service::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn names_are_names_of_files_without_surprises() {
        for good in ["sshd", "a", "net.eth0", "x+y_z-1"] {
            assert_eq!(check_name(good), Ok(()));
        }
        for bad in ["", "-x", ".x", "a/b", "a b", "\u{e4}", &"x".repeat(33)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
