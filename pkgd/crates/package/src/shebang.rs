//! The first line of a script: what runs it (execve(2), "Interpreter scripts").

/// The longest first line that Linux reads, in bytes (`BINPRM_BUF_SIZE`).
const MAX_LINE: usize = 256;

/// What a script says of who runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shebang {
    /// The program, as it stands there; Linux takes a path, which should be absolute.
    pub program: String,
    /// What `env` is to look up, where the program is `env`.
    pub command: Option<String>,
}

/// Reads the first line of a file that starts with `#!`; `None` for any other, and where no program is named. What is
/// no UTF-8 is replaced.
pub fn shebang(bytes: &[u8]) -> Option<Shebang> {
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let text = String::from_utf8_lossy(line.get(..MAX_LINE).unwrap_or(line)).into_owned();
    let mut words = text.split_ascii_whitespace();
    let program = words.next()?.to_owned();
    // Options and assignments stand before the command.
    let command = words.find(|word| !word.starts_with('-') && !word.contains('='));
    let is_env = program.ends_with("/env");
    Some(Shebang { command: command.filter(|_| is_env).map(str::to_owned), program })
}

#[cfg(test)]
mod tests {
    use super::{Shebang, shebang};

    #[test]
    fn program_and_what_env_looks_up() {
        let of = |text: &str| shebang(text.as_bytes()).map(|s| (s.program, s.command));
        let plain = |program: &str| Some((program.to_owned(), None));
        assert_eq!(of("#!/bin/sh -e\nexit"), plain("/bin/sh"));
        assert_eq!(of("#! /usr/bin/perl -w"), plain("/usr/bin/perl"));
        assert_eq!(of("#!../perl\n"), plain("../perl"));
        let env = Some(("/usr/bin/env".to_owned(), Some("python3".to_owned())));
        assert_eq!(of("#!/usr/bin/env python3\n"), env);
        assert_eq!(of("#!/usr/bin/env -S A=b python3 -u\n"), env);
        for none in ["", "#!", "#!\n/bin/sh", "#! \t\n", "\u{7f}ELF", "# /bin/sh"] {
            assert_eq!(of(none), None, "{none:?}");
        }
        let long = format!("#!/{}", "x".repeat(1000));
        assert_eq!(of(&long).unwrap().0.len(), 256);
        assert!(matches!(shebang(b"#!/bin/\xff\n"), Some(Shebang { command: None, .. })));
    }
}
