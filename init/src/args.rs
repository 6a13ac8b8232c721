//! init's own arguments, which are for containers. PID 1 of a machine ignores them all: the kernel
//! passes words of its command line on to init, and no word there may keep it from booting.

use heapless::String;

use crate::cmdline::cut;
use crate::kernel::PATH;
use crate::runtime::Mode;
use crate::services::Paths;

/// What `--help` shows.
pub const HELP: &str = "\
init: PID 1 of MinOS. Not meant to be run by hand, except in a new pid namespace:

  --container       nothing is mounted; ends with 0 (power-off), 1 (halt), 2 (reboot)
  --pkgd PATH       stands in for /bin/pkgd
  --console PATH    stands in for /bin/pkgctl
  --tty PATH        the terminal of the console
  --cmdline TEXT    stands in for the kernel command line
  --events PATH     a file that stands in for the minos.init port
  --version";

/// What main is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a box would be a heap call")]
pub enum Start {
    /// Be PID 1.
    Run(Mode, Paths),
    /// Print this and end.
    Print(&'static str),
}

/// Reads the arguments. `of_machine`: this is PID 1 and, unless `--container` says otherwise, of a
/// machine.
///
/// # Errors
/// A sentence, when a container's arguments are not understood.
pub fn parse(args: &[std::string::String], of_machine: bool) -> Result<Start, &'static str> {
    if of_machine && !args.iter().any(|a| a == "--container") {
        return Ok(Start::Run(Mode::Machine, Paths::default()));
    }
    let mut paths = Paths::default();
    let mut cmdline = String::new();
    let mut events = None;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().and_then(|v| fit(v)).ok_or("a value is missing or too long");
        match arg.as_str() {
            "--container" => {}
            "--help" => return Ok(Start::Print(HELP)),
            "--version" => return Ok(Start::Print(concat!("init ", env!("CARGO_PKG_VERSION")))),
            "--pkgd" => paths.pkgd = value()?,
            "--console" => paths.console = value()?,
            "--tty" => paths.terminal = value()?,
            "--events" => events = Some(value()?),
            "--cmdline" => cmdline = cut(args.next().map_or("", |a| a)),
            _ => return Err("an argument is not understood; --help lists them"),
        }
    }
    Ok(Start::Run(Mode::Container { cmdline, events }, paths))
}

fn fit(text: &str) -> Option<String<PATH>> {
    String::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::{Mode, Start, parse};

    fn words(args: &[&str]) -> Vec<String> {
        args.iter().map(ToString::to_string).collect()
    }

    fn run(args: &[&str]) -> Result<Start, &'static str> {
        parse(&words(args), false)
    }

    #[test]
    fn a_container_is_told_its_stand_ins() {
        let got =
            run(&["--container", "--pkgd", "/x", "--cmdline", "minos.log=debug", "--events", "/e"]);
        let Ok(Start::Run(Mode::Container { cmdline, events }, paths)) = got else {
            panic!("{got:?}")
        };
        assert_eq!((cmdline.as_str(), events.as_deref()), ("minos.log=debug", Some("/e")));
        assert_eq!((paths.pkgd.as_str(), paths.console.as_str()), ("/x", "/bin/pkgctl"));
    }

    /// `init --version` as PID 1 of a machine would print and exit: a kernel panic.
    #[test]
    fn no_word_keeps_a_machine_from_booting() {
        for word in ["--version", "--help", "--pkgd", "quiet", "--", ""] {
            let got = parse(&words(&[word]), true);
            assert!(matches!(got, Ok(Start::Run(Mode::Machine, _))), "{word}: {got:?}");
        }
    }

    #[test]
    fn mistakes_are_told_in_a_container() {
        assert!(run(&["--container", "--pkdg", "/x"]).is_err());
        assert!(run(&["--container", "--pkgd"]).is_err());
        assert!(run(&["--container", "--pkgd", &"x".repeat(300)]).is_err());
    }
}
