//! The seed's tools against the host requirements of the LFS book (12.3, section 2.2).

use std::cmp::Ordering;

use minos_proto::{Check, CheckState};

/// Program, how to ask for its version, least version.
pub const REQUIRED: [(&str, &str, &str); 20] = [
    ("bash", "bash --version", "3.2"),
    ("binutils", "ld --version", "2.13.1"),
    ("bison", "bison --version", "2.7"),
    ("coreutils", "sort --version", "8.1"),
    ("diffutils", "diff --version", "2.8.1"),
    ("findutils", "find --version", "4.2.31"),
    ("gawk", "gawk --version", "4.0.1"),
    ("gcc", "gcc --version", "5.4"),
    ("g++", "g++ --version", "5.4"),
    ("grep", "grep --version", "2.5.1"),
    ("gzip", "gzip --version", "1.3.12"),
    ("m4", "m4 --version", "1.4.10"),
    ("make", "make --version", "4.0"),
    ("patch", "patch --version", "2.5.4"),
    ("perl", "perl -V:version", "5.8.8"),
    ("python3", "python3 --version", "3.4"),
    ("sed", "sed --version", "4.1.5"),
    ("tar", "tar --version", "1.22"),
    ("texinfo", "texi2any --version", "5.0"),
    ("xz", "xz --version", "5.0.0"),
];

/// The shell text that prints one line a tool: its name, a tab, and the first line of its answer.
/// Two more lines tell what `/bin/sh` is and whether the C++ compiler works.
pub fn script() -> String {
    let mut text = String::new();
    for (name, ask, _) in REQUIRED {
        text.push_str(&format!("printf '{name}\\t%s\\n' \"$({ask} 2>/dev/null | sed -n 1p)\"\n"));
    }
    text.push_str("printf 'sh\\t%s\\n' \"$(readlink -f /bin/sh)\"\n");
    text.push_str(
        "echo 'int main(){}' > /tmp/c.cc; g++ /tmp/c.cc -o /tmp/c && /tmp/c && printf 'c++ works\\tyes\\n'\n",
    );
    text
}

/// The first make whose job server is a named pipe, which is what steps on several lanes share.
const SHARING_MAKE: &str = "4.4";

/// Judges what [`script`] printed, for a pkgd that runs steps on so many lanes.
pub fn judge(output: &str, lanes: u16) -> Vec<Check> {
    let least = |name: &str, least: &'static str| {
        if name == "make" && lanes > 1 { SHARING_MAKE } else { least }
    };
    let answer = |name: &str| {
        let mut lines = output.lines().filter_map(|line| line.split_once('\t'));
        lines.find(|(n, _)| *n == name).map(|(_, text)| text.trim()).filter(|t| !t.is_empty())
    };
    let mut checks: Vec<Check> =
        REQUIRED.iter().map(|(name, _, l)| tool(name, answer(name), least(name, l))).collect();
    let sh = answer("sh").unwrap_or("nothing");
    checks.push(check("seed: /bin/sh", sh.ends_with("/bash"), sh, "link /bin/sh to bash"));
    let works = answer("c++ works").is_some();
    let found = if works { "compiles and runs a program" } else { "does not work" };
    checks.push(check("seed: c++ compiler", works, found, "make the seed again"));
    checks
}

fn tool(name: &str, answer: Option<&str>, least: &str) -> Check {
    let version = answer.and_then(version);
    let enough = version.is_some_and(|v| compare(v, least) != Ordering::Less);
    let found = match version {
        Some(v) => format!("{v} (needs {least})"),
        None => format!("missing (needs {least})"),
    };
    check(&format!("seed: {name}"), enough, &found, "make the seed again with newer packages")
}

fn check(name: &str, good: bool, found: &str, hint: &str) -> Check {
    Check {
        name: name.to_owned(),
        state: if good { CheckState::Good } else { CheckState::Bad },
        found: found.to_owned(),
        hint: if good { String::new() } else { hint.to_owned() },
    }
}

/// The first word of a line that looks like a version: digits with at least one dot.
fn version(line: &str) -> Option<&str> {
    line.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .map(|word| word.trim_matches('.'))
        .find(|word| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit()))
}

/// Compares dotted numbers.
fn compare(a: &str, b: &str) -> Ordering {
    let numbers = |v: &str| v.split('.').map(|n| n.parse().unwrap_or(0)).collect::<Vec<u64>>();
    numbers(a).cmp(&numbers(b))
}

#[cfg(test)]
mod tests {
    use minos_proto::CheckState;

    use super::{REQUIRED, judge, version};

    #[test]
    fn versions_are_found_in_what_tools_really_print() {
        for (line, expected) in [
            ("GNU bash, version 5.2.37(1)-release (x86_64-pc-linux-gnu)", "5.2.37"),
            ("GNU ld (GNU Binutils for Debian) 2.44", "2.44"),
            ("gcc (Debian 14.2.0-19) 14.2.0", "14.2.0"),
            ("version='5.40.1';", "5.40.1"),
            ("GNU Awk 5.2.1, API 3.2, PMA Avon 8-g1, (GNU MPFR 4.2.2)", "5.2.1"),
        ] {
            assert_eq!(version(line), Some(expected));
        }
    }

    #[test]
    fn missing_and_old_tools_are_bad() {
        let mut output: String =
            REQUIRED.iter().map(|(n, _, least)| format!("{n}\tx {least}\n")).collect();
        output.push_str("sh\t/usr/bin/bash\nc++ works\tyes\n");
        assert!(judge(&output, 1).iter().all(|c| c.state == CheckState::Good));
        let old = output.replace("gcc\tx 5.4", "gcc\tx 4.9");
        let bad: Vec<_> =
            judge(&old, 1).into_iter().filter(|c| c.state == CheckState::Bad).collect();
        assert_eq!(bad.len(), 1);
        assert_eq!((bad[0].name.as_str(), bad[0].found.as_str()), ("seed: gcc", "4.9 (needs 5.4)"));
        let sharing = judge(&output, 2);
        let bad: Vec<_> = sharing.iter().filter(|c| c.state == CheckState::Bad).collect();
        assert_eq!((bad.len(), bad[0].found.as_str()), (1, "4.0 (needs 4.4)"));
        let none = output.replace("xz\tx 5.0.0\n", "");
        assert!(judge(&none, 1).iter().any(|c| c.found == "missing (needs 5.0.0)"));
        let dash = output.replace("/usr/bin/bash", "/usr/bin/dash");
        assert!(
            judge(&dash, 1).iter().any(|c| c.name == "seed: /bin/sh" && c.state == CheckState::Bad)
        );
    }
}
