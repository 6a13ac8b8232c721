//! `doctor`: the checks and what to do about them.

use minos_proto::{Check, CheckState};

use super::table::{Cell, Table};
use super::text::labelled;
use super::units::count;
use super::{Tone, View};

/// All checks as a table, then a hint for each that is not good, then the verdict.
pub fn checks(checks: &[Check], view: View) -> String {
    let mut table = Table::new(&["check", "state", "found"]);
    for check in checks {
        let (word, tone) = word(check.state);
        table.row([Cell::from(&check.name), Cell::toned(word, tone), Cell::from(&check.found)]);
    }
    let mut out = table.render(view);
    for check in checks.iter().filter(|c| !c.hint.is_empty() && c.state != CheckState::Good) {
        out.push_str(&labelled(&format!("{}: ", check.name), &check.hint, view.width));
    }
    let number = |state| checks.iter().filter(|c| c.state == state).count() as u64;
    let (bad, warnings) = (number(CheckState::Bad), number(CheckState::Warning));
    let verdict = match (bad, warnings) {
        (0, 0) => "all good".into(),
        (0, n) => format!("fit to build, {}", count(n, "warning")),
        (n, _) => format!("not fit to build: {n} bad"),
    };
    out.push_str(&verdict);
    out.push('\n');
    out
}

/// Whether a check keeps pkgd from building.
pub fn any_bad(checks: &[Check]) -> bool {
    checks.iter().any(|c| c.state == CheckState::Bad)
}

fn word(state: CheckState) -> (&'static str, Tone) {
    match state {
        CheckState::Good => ("good", Tone::Good),
        CheckState::Warning => ("warning", Tone::Warn),
        CheckState::Bad => ("BAD", Tone::Bad),
    }
}

#[cfg(test)]
mod tests {
    use minos_proto::{Check, CheckState};

    use super::{any_bad, checks};
    use crate::render::View;

    fn check(name: &str, state: CheckState, found: &str, hint: &str) -> Check {
        Check { name: name.into(), state, found: found.into(), hint: hint.into() }
    }

    #[test]
    fn hints_follow_the_table() {
        let list = [
            check("kernel", CheckState::Good, "6.12.9", ""),
            check("memory", CheckState::Warning, "512 MiB", "2 GiB build gcc faster"),
            check("landlock", CheckState::Bad, "ABI 0", "boot with lsm=landlock"),
        ];
        let want = "check     state    found\n\
                    kernel    good     6.12.9\n\
                    memory    warning  512 MiB\n\
                    landlock  BAD      ABI 0\n\
                    memory: 2 GiB build gcc faster\n\
                    landlock: boot with lsm=landlock\n\
                    not fit to build: 1 bad\n";
        let view = View { width: 80, color: false };
        assert_eq!(checks(&list, view), want);
        assert!(any_bad(&list) && !any_bad(&list[..2]));
        assert!(checks(&list[..2], view).ends_with("fit to build, 1 warning\n"));
        assert!(checks(&list[..1], view).ends_with("all good\n"));
    }
}
