//! `doctor`: the checks and what to do about them.

use minos_model::units::count;
use minos_proto::{Check, CheckState, VerifyReport};

use super::table::{Cell, Table};
use super::text::labelled;
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

/// What a look at every output found. `pkgctl` is the command with the options that lead to this daemon.
pub fn verified(report: &VerifyReport, pkgctl: &str, view: View) -> String {
    let mut out = String::new();
    for what in &report.contradictions {
        out.push_str(&labelled("state: ", what, view.width));
    }
    for loss in &report.lost {
        let what = format!("output {}: {}", loss.output.short(), loss.why);
        out.push_str(&labelled(&format!("{}: ", loss.step), &what, view.width));
    }
    let (outputs, paths) = (count(report.outputs, "output"), count(report.paths, "path"));
    let whole = if report.quick { "all there, contents not read" } else { "all as built" };
    let verdict = match (report.lost.len(), report.repaired) {
        (0, _) if report.contradictions.is_empty() => format!("{outputs}, {paths}: {whole}"),
        (0, _) => format!("{outputs}, {paths}: {whole}, but the state contradicts itself"),
        (n, true) => format!("{outputs}: {n} forgotten, to be built again"),
        (n, false) => {
            format!(
                "{outputs}: {n} lost or damaged; '{pkgctl} verify --repair' has them built again"
            )
        }
    };
    out.push_str(&labelled("", &verdict, view.width));
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
    use minos_model::Digest;
    use minos_proto::{Check, CheckState, Loss, VerifyReport};

    use super::{any_bad, checks, verified};
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

    #[test]
    fn what_is_lost_is_named_with_the_way_out() {
        let loss = Loss {
            output: Digest::of(b"m4"),
            step: "m4".parse().unwrap(),
            why: "/state/outputs/x: No such file".into(),
        };
        let mut report = VerifyReport {
            outputs: 3,
            paths: 40,
            contradictions: Vec::new(),
            lost: Vec::new(),
            repaired: false,
            quick: true,
        };
        let view = View { width: 100, color: false };
        let unread = "3 outputs, 40 paths: all there, contents not read\n";
        assert_eq!(verified(&report, "pkgctl", view), unread);
        report.quick = false;
        assert_eq!(verified(&report, "pkgctl", view), "3 outputs, 40 paths: all as built\n");
        report.lost.push(loss);
        let want = format!(
            "m4: output {}: /state/outputs/x: No such file\n\
             3 outputs: 1 lost or damaged; 'pkgctl --vm verify --repair' has them built again\n",
            Digest::of(b"m4").short()
        );
        assert_eq!(verified(&report, "pkgctl --vm", view), want);
        report.repaired = true;
        assert!(verified(&report, "pkgctl", view).ends_with("1 forgotten, to be built again\n"));
    }
}
