//! `plan`: what a build would do.

use minos_model::units::{count, duration};
use minos_proto::{PlanReport, PlanStep};

use super::table::{Cell, Table};
use super::text::labelled;
use super::{Tone, View};

/// The steps in order, then the totals.
pub fn plan(plan: &PlanReport, view: View) -> String {
    let mut table = Table::new(&[">#", "step", "version", "stage", ">time", "why"]);
    for (n, step) in plan.steps.iter().enumerate() {
        table.row(row(n + 1, step));
    }
    let mut out = if plan.steps.is_empty() { String::new() } else { table.render(view) };
    out.push_str(&labelled("", &totals(plan), view.width));
    if plan.critical_ms > 0 && plan.steps.iter().any(|s| s.critical && !s.cached) {
        let text = format!("critical path, {}", duration(plan.critical_ms));
        out.push_str(&labelled("* ", &text, view.width));
    }
    out
}

fn row(number: usize, step: &PlanStep) -> [Cell; 6] {
    let time = match step.expected_ms {
        _ if step.cached => String::new(),
        0 => "?".into(),
        ms => duration(ms),
    };
    let star = if step.critical && !step.cached { "*" } else { "" };
    let why =
        if step.cached { Cell::toned("cached", Tone::Good) } else { Cell::from(&step.reason) };
    [
        format!("{number}{star}").into(),
        step.step.to_string().into(),
        step.version.to_string().into(),
        step.stage.as_str().into(),
        time.into(),
        why,
    ]
}

fn totals(plan: &PlanReport) -> String {
    let total = plan.steps.len() as u64;
    let cached = plan.steps.iter().filter(|s| s.cached).count() as u64;
    let mut text = format!("{}: {}", plan.target, count(total, "step"));
    if cached == total {
        return format!("{text}, all cached: nothing to build");
    }
    text.push_str(&format!(", {cached} cached, {} to build", total - cached));
    if plan.expected_ms > 0 {
        text.push_str(&format!(", about {}", duration(plan.expected_ms)));
    }
    text
}

#[cfg(test)]
mod tests {
    use minos_model::Stage;
    use minos_proto::{PlanReport, PlanStep};

    use super::plan;
    use crate::render::View;

    const VIEW: View = View { width: 80, color: false };

    fn step(name: &str, cached: bool, expected_ms: u64) -> PlanStep {
        PlanStep {
            step: name.parse().unwrap(),
            version: "2.44".parse().unwrap(),
            stage: Stage::Cross,
            cached,
            reason: if cached { "" } else { "never built before" }.into(),
            expected_ms,
            critical: !cached,
        }
    }

    fn report(steps: Vec<PlanStep>) -> PlanReport {
        let target = "lfs/toolchain".into();
        PlanReport { target, steps, expected_ms: 2_460_000, critical_ms: 2_460_000, took_us: 900 }
    }

    #[test]
    fn a_plan() {
        let report = report(vec![
            step("binutils:pass1", true, 300_000),
            step("gcc:pass1", false, 2_460_000),
            step("glibc", false, 0),
        ]);
        let want = " #  step            version  stage   time  why
 1  binutils:pass1  2.44     cross         cached
2*  gcc:pass1       2.44     cross  41:00  never built before
3*  glibc           2.44     cross      ?  never built before
lfs/toolchain: 3 steps, 1 cached, 2 to build, about 41:00
* critical path, 41:00
";
        assert_eq!(plan(&report, VIEW), want);
    }

    #[test]
    fn nothing_to_do() {
        let shown = plan(&report(vec![step("m4", true, 0)]), VIEW);
        assert!(
            shown.ends_with("lfs/toolchain: 1 step, all cached: nothing to build\n"),
            "{shown}"
        );
    }
}
