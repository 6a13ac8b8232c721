//! The kernel command line: keys that start with `minos.`, typed; everything else is the kernel's.
//!
//! Pure. Words are split as the kernel does it: at white space, except inside double quotes. An
//! unknown `minos.` key and a value that cannot be used are warnings, never failures: a machine
//! that does not boot because of a typing error helps nobody.

use heapless::{String, Vec};
use minos_proto::TestLevel;

/// The longest value taken, in bytes.
pub const VALUE: usize = 96;
/// How many warnings are kept; the rest is counted.
pub const WARNINGS: usize = 8;
/// Seconds until the watchdog resets a machine whose init makes no progress. An emulated machine
/// may stand still for several seconds when its host is busy; a person waits half a minute at most.
pub const WATCHDOG_SECONDS: u16 = 30;

/// What to do when the unattended build is over. Carried out by pkgd, which asks init.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Power off.
    PowerOff,
    /// Reboot.
    Reboot,
    /// Stay up.
    Stay,
}

impl Then {
    /// The word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PowerOff => "poweroff",
            Self::Reboot => "reboot",
            Self::Stay => "stay",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::PowerOff, Self::Reboot, Self::Stay].into_iter().find(|t| t.as_str() == word)
    }
}

/// How much of init's log is shown on the console. The ring and the port always get everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Warnings and failures only.
    Quiet,
    /// What a person wants to see.
    Normal,
    /// Everything.
    Debug,
}

impl LogLevel {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "quiet" => Self::Quiet,
            "normal" => Self::Normal,
            "debug" => Self::Debug,
            _ => return None,
        })
    }
}

/// Something about a key to tell the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The word as it stands on the command line, cut to fit.
    pub word: String<VALUE>,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The options of this boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `minos.build=TARGET`: build this without a hand on the keyboard.
    pub build: Option<String<VALUE>>,
    /// `minos.then=poweroff|reboot|stay`: afterwards.
    pub then: Option<Then>,
    /// `minos.console=DEV`: the terminal, without `/dev/`; default: the kernel's.
    pub console: Option<String<VALUE>>,
    /// `minos.state=LABEL`: the name of the state disk; default `minos-state`.
    pub state: Option<String<VALUE>>,
    /// `minos.generation=N`: boot this generation, this time; 0 is the initramfs itself.
    pub generation: Option<u64>,
    /// `minos.rescue`: stop at the rescue prompt before disks are touched.
    pub rescue: bool,
    /// `minos.watchdog=SECONDS`; 0 leaves it alone.
    pub watchdog: u16,
    /// `minos.log=quiet|normal|debug`.
    pub log: LogLevel,
    /// `minos.jobs=N`: how many jobs pkgd may run at once.
    pub jobs: Option<u16>,
    /// `minos.tests=none|critical|all`: test suites of the packages that are run.
    pub tests: Option<TestLevel>,
    /// `minos.restart_limit=N`: rapid failures before init gives up; 0 = never. A test aid.
    pub restart_limit: Option<u8>,
    /// What could not be used.
    pub warnings: Vec<Warning, WARNINGS>,
    /// Warnings for which there was no room.
    pub more_warnings: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            build: None,
            then: None,
            console: None,
            state: None,
            generation: None,
            rescue: false,
            watchdog: WATCHDOG_SECONDS,
            log: LogLevel::Normal,
            jobs: None,
            tests: None,
            restart_limit: None,
            warnings: Vec::new(),
            more_warnings: 0,
        }
    }
}

impl Options {
    /// Reads a command line. Never fails: what cannot be used is in [`Options::warnings`]. A key
    /// that stands there twice counts as it stands last, as with the kernel's own keys.
    pub fn parse(line: &str) -> Self {
        let mut options = Self::default();
        for word in Words(line) {
            if let Some(rest) = word.strip_prefix("minos.") {
                options.word(word, rest);
            }
        }
        options
    }

    fn word(&mut self, word: &str, rest: &str) {
        let (key, value) = match rest.split_once('=') {
            Some((key, value)) => (key, Some(unquote(value))),
            None => (rest, None),
        };
        if let Err(problem) = self.set(key, value) {
            let warning = Warning { word: cut(word), problem };
            if self.warnings.push(warning).is_err() {
                self.more_warnings = self.more_warnings.saturating_add(1);
            }
        }
    }

    fn set(&mut self, key: &str, value: Option<&str>) -> Result<(), &'static str> {
        if key == "rescue" {
            self.rescue = flag(value)?;
            return Ok(());
        }
        let known = [
            "build",
            "then",
            "console",
            "state",
            "generation",
            "watchdog",
            "log",
            "jobs",
            "tests",
            "restart_limit",
        ];
        if !known.contains(&key) {
            return Err("this key is not known");
        }
        let value = value.filter(|v| !v.is_empty()).ok_or("this key needs a value")?;
        match key {
            "build" => self.build = Some(argument(value)?),
            "then" => {
                self.then = Some(Then::parse(value).ok_or("not one of poweroff, reboot, stay")?);
            }
            "console" => self.console = Some(device(value)?),
            "state" => self.state = Some(text(value)?),
            "generation" => {
                self.generation =
                    Some(value.parse().map_err(|_| "not the number of a generation")?);
            }
            "watchdog" => self.watchdog = number(value, 0, 3600, "not seconds from 0 to 3600")?,
            "log" => self.log = LogLevel::parse(value).ok_or("not one of quiet, normal, debug")?,
            "jobs" => self.jobs = Some(number(value, 1, 1024, "not a number from 1 to 1024")?),
            "tests" => {
                self.tests = Some(value.parse().map_err(|_| "not one of none, critical, all")?);
            }
            // Only restart_limit is left of the known ones.
            _ => {
                let n = number(value, 0, 255, "not a number from 0 to 255")?;
                self.restart_limit = Some(n as u8);
            }
        }
        Ok(())
    }
}

fn flag(value: Option<&str>) -> Result<bool, &'static str> {
    match value {
        None | Some("1" | "yes") => Ok(true),
        Some("0" | "no") => Ok(false),
        Some(_) => Err("not one of yes, no"),
    }
}

fn number(value: &str, least: u16, most: u16, problem: &'static str) -> Result<u16, &'static str> {
    value.parse().ok().filter(|n| (least..=most).contains(n)).ok_or(problem)
}

fn text(value: &str) -> Result<String<VALUE>, &'static str> {
    if value.chars().any(char::is_control) {
        return Err("control characters are not allowed");
    }
    String::try_from(value).map_err(|_| "longer than 96 bytes")
}

/// A value that becomes an argument of pkgd: it must not be taken for an option.
fn argument(value: &str) -> Result<String<VALUE>, &'static str> {
    if value.starts_with('-') {
        return Err("must not start with a dash");
    }
    text(value)
}

/// A terminal's name: one word below /dev.
fn device(value: &str) -> Result<String<VALUE>, &'static str> {
    let name = value.strip_prefix("/dev/").unwrap_or(value);
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err("not the name of a terminal such as ttyS0");
    }
    text(name)
}

fn unquote(value: &str) -> &str {
    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value)
}

/// As much of a text as fits, cut between characters.
pub fn cut<const N: usize>(text: &str) -> String<N> {
    let mut out = String::new();
    for c in text.chars() {
        if out.push(c).is_err() {
            break;
        }
    }
    out
}

/// The words of a kernel command line; a word wholly in quotes loses them.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let line = self.0.trim_start();
        if line.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = line.find(|c: char| {
            quoted ^= c == '"';
            c.is_whitespace() && !quoted
        });
        let (word, rest) = line.split_at(end.unwrap_or(line.len()));
        self.0 = rest;
        Some(unquote(word))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::{LogLevel, Options, TestLevel, Then, WARNINGS, Words};

    #[test]
    fn every_key_is_read() {
        let o = Options::parse(
            "console=ttyS0 quiet minos.build=base/zlib minos.then=poweroff minos.console=/dev/ttyS1 \
             minos.state=my-disk minos.rescue minos.watchdog=60 minos.log=debug minos.jobs=4 \
             minos.tests=critical minos.restart_limit=3 minos.generation=7 panic=-1\n",
        );
        assert_eq!(o.build.as_deref(), Some("base/zlib"));
        assert_eq!(o.then, Some(Then::PowerOff));
        assert_eq!(o.console.as_deref(), Some("ttyS1"));
        assert_eq!(o.state.as_deref(), Some("my-disk"));
        assert!(o.rescue);
        assert_eq!(o.generation, Some(7));
        assert_eq!(
            (o.watchdog, o.log, o.jobs, o.tests, o.restart_limit),
            (60, LogLevel::Debug, Some(4), Some(TestLevel::Critical), Some(3))
        );
        assert!(o.warnings.is_empty(), "{:?}", o.warnings);
    }

    #[test]
    fn keys_of_others_are_not_ours() {
        let o = Options::parse("root=/dev/vda1 minosx.build=a xminos.build=b init=/init minos");
        assert_eq!(o, Options::default());
    }

    #[test]
    fn bad_values_are_warned_about_and_change_nothing() {
        for word in [
            "minos.biuld=zlib",
            "minos.then=explode",
            "minos.watchdog=-1",
            "minos.watchdog=99999",
            "minos.log=loud",
            "minos.jobs=0",
            "minos.tests=some",
            "minos.build=",
            "minos.build",
            "minos.build=--force",
            "minos.console=../../etc/passwd",
            "minos.rescue=maybe",
            "minos.",
            "minos.restart_limit=256",
            "minos.generation=-1",
            "minos.generation=latest",
        ] {
            let o = Options::parse(word);
            assert_eq!(o.warnings.len(), 1, "{word}");
            assert_eq!(o.warnings[0].word, word);
            assert_eq!(
                Options { warnings: heapless::Vec::new(), ..o },
                Options::default(),
                "{word}"
            );
        }
    }

    #[test]
    fn quotes_hold_a_value_together() {
        let o = Options::parse(r#"minos.state="my state" "minos.build=a b" minos.log=quiet"#);
        assert_eq!(o.state.as_deref(), Some("my state"));
        assert_eq!(o.build.as_deref(), Some("a b"));
        assert_eq!(o.log, LogLevel::Quiet);
    }

    #[test]
    fn the_last_of_two_counts_and_a_flood_of_warnings_is_counted() {
        assert_eq!(Options::parse("minos.jobs=2 minos.jobs=3").jobs, Some(3));
        let o = Options::parse(&"minos.x ".repeat(20));
        assert_eq!((o.warnings.len(), o.more_warnings), (WARNINGS, 20 - WARNINGS as u16));
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_panic(line in "\\PC{0,300}") {
            let _ = Options::parse(&line);
        }

        #[test]
        fn lines_of_almost_right_words_never_panic(words in proptest::collection::vec(
            "minos\\.[a-z_]{0,8}=?[\"a-z0-9 -]{0,120}", 0..20))
        {
            let o = Options::parse(&words.join(" "));
            prop_assert!(o.watchdog <= 3600);
            prop_assert!(o.build.is_none_or(|b| !b.starts_with('-')));
        }

        #[test]
        fn words_lose_nothing_but_space_and_quotes(words in proptest::collection::vec("[a-z=.]{1,9}", 0..9)) {
            let line = words.join("  ");
            prop_assert_eq!(Words(&line).collect::<Vec<_>>(), words);
        }
    }
}
