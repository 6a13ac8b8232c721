//! What can be wrong with the text of a script.

use minos_model::Phase;

use super::{Lint, Rule};
use crate::error::line_of;
use crate::shell::{self, Line};

const NETWORK: [&str; 8] = ["curl", "wget", "ftp", "sftp", "scp", "ssh", "rsync", "aria2c"];

/// With their own network use hidden behind a sub-command.
const NETWORK_PAIRS: [(&str, &str); 7] = [
    ("git", "clone"),
    ("git", "fetch"),
    ("git", "pull"),
    ("svn", "checkout"),
    ("pip3", "download"),
    ("apt", "install"),
    ("apt-get", "install"),
];

const PRIVILEGED: [&str; 14] = [
    "chroot",
    "insmod",
    "losetup",
    "mknod",
    "modprobe",
    "mount",
    "pivot_root",
    "reboot",
    "sudo",
    "su",
    "swapon",
    "sysctl",
    "umount",
    "unshare",
];

/// The findings about `text`; `phase` is what it is the script of.
pub(crate) fn check(file: &str, phase: Phase, text: &str) -> Vec<Lint> {
    let mut found = Findings { file, allowed: allowed(text), lints: Vec::new() };
    found.form(text);
    for line in shell::lines(text) {
        found.placeholder(&line);
        found.ignored_failure(&line, phase);
        found.refused_commands(&line);
        found.paths(&line);
        found.own_jobs(&line);
    }
    found.lints
}

/// Placeholders in a `recipe.toml`, and its line ends.
pub(crate) fn check_toml(file: &str, text: &str) -> Vec<Lint> {
    let mut found = Findings { file, allowed: allowed(text), lints: Vec::new() };
    found.line_ends(text);
    for (number, raw) in (1..).zip(text.lines()) {
        found.placeholder(&Line { number, raw, code: String::new(), continued: false });
    }
    found.lints
}

/// The rules that `# lint: allow RULE` comments switch off for the whole file.
fn allowed(text: &str) -> Vec<&str> {
    text.lines().filter_map(|l| l.trim().strip_prefix("# lint: allow ")).map(str::trim).collect()
}

struct Findings<'a> {
    file: &'a str,
    allowed: Vec<&'a str>,
    lints: Vec<Lint>,
}

impl Findings<'_> {
    fn say(&mut self, rule: Rule, line: u32, message: String, hint: &str) {
        if !self.allowed.contains(&rule.as_str()) {
            self.lints.push(Lint::new(rule, self.file, Some(line), message, hint));
        }
    }

    fn form(&mut self, text: &str) {
        let lines = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
        if !text.ends_with('\n') {
            let message = "the last line has no newline".to_owned();
            self.say(Rule::TextForm, lines.max(1), message, "end the file with a newline");
        }
        if let Some(at) = text.find('\0') {
            let message = "a NUL byte, at which bash stops reading the line".to_owned();
            self.say(Rule::TextForm, line_of(text, at), message, "remove it");
        }
        if let Some(program) = other_shell(text) {
            let message = format!("the first line names '{program}', and bash runs the script");
            let hint = "remove the line; what another program reads is one of 'files'";
            self.say(Rule::BadValue, 1, message, hint);
        }
        self.line_ends(text);
    }

    fn line_ends(&mut self, text: &str) {
        if text.starts_with('\u{feff}') {
            let message = "the file starts with a byte order mark".to_owned();
            self.say(Rule::TextForm, 1, message, "save it as UTF-8 without one");
        }
        if let Some(number) = (1..).zip(text.split('\n')).find(|(_, l)| l.ends_with('\r')) {
            let message = "the line ends in CR LF".to_owned();
            self.say(Rule::TextForm, number.0, message, "convert the file to Unix line ends");
        }
    }

    fn placeholder(&mut self, line: &Line<'_>) {
        if let Some(what) = placeholder(line.raw) {
            let message = format!("placeholder '{what}' is left in");
            self.say(Rule::Placeholder, line.number, message, "put in the real value");
        }
    }

    fn ignored_failure(&mut self, line: &Line<'_>, phase: Phase) {
        let words: Vec<&str> = line.code.split_whitespace().collect();
        if words.windows(2).any(|w| w[0] == "set" && w[1].starts_with('+') && w[1].contains('e')) {
            let message = "'set +e' lets the script go on after a failure".to_owned();
            self.say(
                Rule::IgnoredFailure,
                line.number,
                message,
                "use 'if ! command; then' instead",
            );
        }
        let target = |word: &&str| word.trim_end_matches([')', ';', '}']) == "install";
        let installs = phase == Phase::Install || words.iter().any(target);
        let swallowed = line.code.split("||").skip(1).any(|tail| {
            matches!(tail.split([' ', '\t', ';', ')']).find(|w| !w.is_empty()), Some("true" | ":"))
        });
        if installs && swallowed {
            let message = "a failed installation would pass for a success".to_owned();
            self.say(Rule::IgnoredFailure, line.number, message, "remove '|| true'");
        }
    }

    fn refused_commands(&mut self, line: &Line<'_>) {
        for command in line.commands() {
            if PRIVILEGED.contains(&command) {
                let message = format!("'{command}' is refused in the sandbox");
                let hint = "leave it out: the daemon prepares root, devices and users";
                self.say(Rule::Privileged, line.number, message, hint);
            }
            if NETWORK.contains(&command) {
                self.network(line.number, command);
            }
        }
        let words: Vec<&str> = line.code.split_whitespace().collect();
        for (command, sub) in NETWORK_PAIRS {
            if words.windows(2).any(|w| w[0] == command && w[1] == sub) {
                self.network(line.number, &format!("{command} {sub}"));
            }
        }
    }

    fn network(&mut self, line: u32, command: &str) {
        let message = format!("'{command}' needs the network, and there is none");
        let hint = "add the file to sources.lock and to [[source]]";
        self.say(Rule::Network, line, message, hint);
    }

    /// Told a number of its own, make leaves the job server for one of its own. `-j1` asks for less.
    fn own_jobs(&mut self, line: &Line<'_>) {
        let makes = line.commands().any(|command| command == "make");
        let word = line.code.split_whitespace().find(|word| asks_for_jobs(word));
        if let Some(word) = word.filter(|_| makes) {
            let message = format!("'make {word}' runs jobs that nobody counts");
            let hint = "leave it out: MAKEFLAGS says how many; jobs_max in [needs] limits them";
            self.say(Rule::OwnJobs, line.number, message, hint);
        }
    }

    fn paths(&mut self, line: &Line<'_>) {
        let code = line.code.replace(">> ", ">>");
        if code.contains(">>/etc") || code.contains(">>$LFS/etc") {
            let message = "appends to a file below /etc".to_owned();
            self.say(Rule::AppendEtc, line.number, message, "write a file of the package's own");
        }
        for path in ["/build", "/sources"] {
            if names_path(line, path) {
                let message = format!("the path {path} is written out");
                let hint =
                    "use a relative path (every phase starts in the main source) or $SRC_DIR";
                self.say(Rule::BuildPath, line.number, message, hint);
            }
        }
    }
}

/// The program that a `#!` line names, where it is not a shell whose scripts bash can read.
fn other_shell(text: &str) -> Option<&str> {
    fn base(path: &str) -> &str {
        path.rsplit('/').next().unwrap_or(path)
    }
    let mut words = text.lines().next()?.strip_prefix("#!")?.split_whitespace();
    let first = base(words.next()?);
    let name = match first {
        "env" => words.find(|word| !word.starts_with('-')).map_or(first, base),
        _ => first,
    };
    (!matches!(name, "bash" | "sh")).then_some(name)
}

/// `-jN` or `--jobs=N` for more than one job.
fn asks_for_jobs(word: &str) -> bool {
    let word = word.trim_end_matches([')', ';', '}']);
    let number = word.strip_prefix("--jobs").or_else(|| word.strip_prefix("-j"));
    number.is_some_and(|n| n.trim_start_matches('=') != "1")
}

/// `path` stands in the code of the line as the start of an absolute path.
fn names_path(line: &Line<'_>, path: &str) -> bool {
    // quoted text is blanked in `code`, and a path may well be quoted
    let text = if line.code.trim().is_empty() { "" } else { line.raw };
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + path.len()..].chars().next();
        before.is_none_or(|c| c.is_whitespace() || "=\"':".contains(c))
            && after.is_none_or(|c| c.is_whitespace() || "/\"':;)".contains(c))
    })
}

/// The first thing on the line that waits to be filled in.
fn placeholder(raw: &str) -> Option<&str> {
    if raw.contains("**EDITME") {
        return Some("**EDITME");
    }
    let word = |w: &&str| raw.match_indices(*w).any(|(at, _)| alone(raw, at, w.len()));
    ["TODO", "FIXME", "XXX"].into_iter().find(word).or_else(|| angle(raw))
}

fn alone(raw: &str, at: usize, length: usize) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    !raw[..at].ends_with(inside) && !raw[at + length..].starts_with(inside)
}

/// `<paper size>`: letters first, then letters, digits, blanks, `_` or `-`, not glued to a word in
/// front (`vector<int>`) and not an `#include`.
fn angle(raw: &str) -> Option<&str> {
    if raw.contains("include <") || raw.contains("include_next <") {
        return None;
    }
    raw.match_indices('<').find_map(|(at, _)| {
        let rest = &raw[at + 1..];
        let inner = &rest[..rest.find('>')?];
        let glued = raw[..at].ends_with(|c: char| c.is_alphanumeric() || c == '<' || c == '>');
        let plain = |c: char| c.is_ascii_alphanumeric() || " _-".contains(c);
        let named = inner.starts_with(|c: char| c.is_ascii_alphabetic())
            && inner.ends_with(|c: char| c.is_ascii_alphanumeric());
        (named && !glued && inner.chars().all(plain)).then(|| &raw[at..at + inner.len() + 2])
    })
}

#[cfg(test)]
mod tests {
    use minos_model::Phase;
    use proptest::prelude::{any, proptest};

    use super::{check, placeholder};
    use crate::lint::{Lint, Rule};

    fn rules(phase: Phase, text: &str) -> Vec<(Rule, u32)> {
        let key = |lint: &Lint| (lint.rule, lint.line.unwrap_or(0));
        check("a.sh", phase, text).iter().map(key).collect()
    }

    #[test]
    fn each_rule_fires_on_its_line() {
        for (text, want) in [
            ("make\nmake -k check; set +e\n", (Rule::IgnoredFailure, 2)),
            ("make install || true\n", (Rule::IgnoredFailure, 1)),
            ("(cd b; make install) ||:\n", (Rule::IgnoredFailure, 1)),
            ("echo x >> /etc/profile\n", (Rule::AppendEtc, 1)),
            ("\ncurl -O https://example.org/x\n", (Rule::Network, 2)),
            ("git clone https://example.org/x\n", (Rule::Network, 1)),
            ("sudo make\n", (Rule::Privileged, 1)),
            ("test -d x || mount -t proc proc x\n", (Rule::Privileged, 1)),
            ("mknod -m 600 dev/console c 5 1\n", (Rule::Privileged, 1)),
            ("cd /build/src\n", (Rule::BuildPath, 1)),
            ("tar -xf \"/sources/x.tar\"\n", (Rule::BuildPath, 1)),
            ("make -j$(nproc) check\n", (Rule::OwnJobs, 1)),
            ("(cd b; make -j4)\n", (Rule::OwnJobs, 1)),
            ("time make --jobs=2 all\n", (Rule::OwnJobs, 1)),
            ("make", (Rule::TextForm, 1)),
            ("make\r\nmake\n", (Rule::TextForm, 1)),
            ("# TODO: flags\n", (Rule::Placeholder, 1)),
            ("PAGE=<paper_size> ./configure\n", (Rule::Placeholder, 1)),
            ("ln -s /usr/share/zoneinfo/<xxx> x\n", (Rule::Placeholder, 1)),
            ("cat > x <<E\nLANG=<ll>_<CC>.<charmap>\nE\n", (Rule::Placeholder, 2)),
        ] {
            assert_eq!(rules(Phase::Build, text), [want], "{text}");
        }
    }

    #[test]
    fn good_scripts_are_left_alone() {
        for text in [
            "make check || true\n",
            "make -j1 check\n(make --jobs=1)\ntar -xjf a.tar.bz2\nxz -j2 make\n",
            "echo '# mount the disk; curl it'\n",
            "mkdir build\ncd build\n../configure --prefix=/usr/build\n",
            "cat > a.c <<C\n#include <stdio.h>\nstd::vector<int> x;\nC\n",
            "x=$(mktemp XXXXXX)\nif [ 1 -lt 2 ]; then cat <a >b; fi\n",
            "echo hello > etc/motd\ninstall -d \"$LFS/etc\"\n",
            "grep -q include_next <limits.h>\n",
        ] {
            assert_eq!(rules(Phase::Build, text), [], "{text}");
        }
    }

    #[test]
    fn in_the_install_phase_every_swallowed_failure_counts() {
        assert_eq!(rules(Phase::Install, "cp a b || true\n"), [(Rule::IgnoredFailure, 1)]);
        assert_eq!(rules(Phase::Install, "test -f a || exit 1\n"), []);
    }

    #[test]
    fn a_rule_can_be_allowed_by_name() {
        let text = "# lint: allow placeholder\nsed 's/<b>/x/' a\n";
        assert_eq!(rules(Phase::Build, text), []);
        assert_eq!(rules(Phase::Build, &text.replace("placeholder", "network")).len(), 1);
    }

    #[test]
    fn placeholders_are_named_as_written() {
        assert_eq!(placeholder("a **EDITME<x>EDITME**"), Some("**EDITME"));
        assert_eq!(placeholder("HOST=\"<lfs host>\""), Some("<lfs host>"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_linter(text in any::<String>()) {
            check("a.sh", Phase::Install, &text);
        }
    }
}
