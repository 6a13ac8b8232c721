//! What the steps of a target cost when they were built, as a sheet and as a page to look at.

use std::fmt::Write as _;

use minos_model::units::duration;
use minos_model::{Digest, Metrics, Stage, StepId};
use minos_proto::sheet::Field;
use minos_proto::{BuildOptions, ErrorReport, Sheet};
use minos_store::{HistoryRow, OutputRow, Snapshot, StoreError};

use crate::engine::plan;
use crate::service::{Service, state_error};
use crate::summary;

/// The step whose CPU time is the standard build unit of the LFS book.
const UNIT_STEP: &str = "binutils:pass1";
const COLUMNS: [&str; 8] = ["step", ">wall", ">cpu", ">sbu", ">memory", ">disk", ">size", ">files"];

/// A step and what it cost, where its output is there.
struct Cost {
    step: String,
    stage: Stage,
    output: Option<OutputRow>,
}

impl Cost {
    fn metrics(&self) -> Metrics {
        self.output.as_ref().map(|row| row.metrics).unwrap_or_default()
    }
}

/// The output of `key`, if it is there, with what its newest build cost.
fn built(
    snapshot: &Snapshot<'_>,
    step: &StepId,
    key: &Digest,
) -> Result<Option<OutputRow>, StoreError> {
    let Some(output) = snapshot.cached(key)? else { return Ok(None) };
    let metrics = newest(snapshot.history(step)?, key).unwrap_or(output.metrics);
    Ok(Some(OutputRow { metrics, ..output }))
}

/// What the newest build of a step cost, if that was under `key`. An output itself only knows what it cost first, which
/// may have been under another version of the recipe, that came to the same bytes.
fn newest(history: Option<HistoryRow>, key: &Digest) -> Option<Metrics> {
    let history = history.filter(|row| row.last_key == *key)?;
    history.samples.last().map(|sample| sample.metrics)
}

/// All steps of a target, in order.
pub struct Costs {
    target: String,
    steps: Vec<Cost>,
}

impl Costs {
    /// Looks up the cost of each step of `target` whose output is there.
    ///
    /// # Errors
    /// As [`plan::resolve`].
    pub fn of(service: &Service, target: &str) -> Result<Self, ErrorReport> {
        let recipes = service.recipes.current()?;
        let resolved = plan::resolve(service, &recipes, target, &BuildOptions::default())?;
        let snapshot = service.store.read().map_err(|e| state_error(&e))?;
        let keys: Vec<_> = resolved.keys().collect();
        let mut steps = Vec::with_capacity(resolved.plan.steps().len());
        for step in resolved.plan.steps() {
            let key = keys.iter().find(|(id, _)| **id == step.id).map(|(_, key)| *key);
            let output = match key {
                Some(key) => built(&snapshot, &step.id, key).map_err(|e| state_error(&e))?,
                None => None,
            };
            steps.push(Cost { step: step.id.to_string(), stage: step.stage, output });
        }
        Ok(Self { target: target.to_owned(), steps })
    }

    /// CPU time of the unit, in milliseconds, where that step is part of the target and built.
    fn unit_ms(&self) -> Option<u64> {
        let unit = self.steps.iter().find(|cost| cost.step == UNIT_STEP)?;
        Some(unit.metrics().cpu_ms()).filter(|ms| *ms > 0)
    }

    /// Standard build units with two digits: CPU time against that of binutils pass 1.
    fn sbu(&self, cpu_ms: u64) -> Option<String> {
        let centi = (cpu_ms * 100).checked_div(self.unit_ms()?)?;
        Some(format!("{}.{:02}", centi / 100, centi % 100))
    }

    fn built(&self) -> usize {
        self.steps.iter().filter(|cost| cost.output.is_some()).count()
    }

    fn total(&self) -> (Metrics, u64, u64) {
        let mut sum = (Metrics::default(), 0, 0);
        for cost in &self.steps {
            sum.0 += cost.metrics();
            sum.1 += cost.output.as_ref().map_or(0, |row| row.size);
            sum.2 += cost.output.as_ref().map_or(0, |row| row.files);
        }
        sum
    }

    /// The table. Wall times are those of the single steps; what ran side by side is in the sum twice.
    pub fn sheet(&self) -> Sheet {
        let (total, size, files) = self.total();
        let rows = self.steps.iter().map(|cost| self.row(cost)).collect();
        Sheet::new("costs")
            .fact("target", self.target.clone())
            .fact("total_steps", self.steps.len())
            .fact("built", self.built())
            .fact("wall", millis(total.wall_ms))
            .fact("cpu", millis(total.cpu_ms()))
            .fact("sbu", self.sbu(total.cpu_ms()).map_or(Field::None, Field::Text))
            .fact("size", Field::Bytes(size))
            .fact("files", files)
            .grid("steps", &COLUMNS, rows)
            .note(
                "wall: sum over the steps, which may have run side by side. sbu: CPU time against binutils:pass1. \
                 disk: what the step's build tree needed.",
            )
    }

    fn row(&self, cost: &Cost) -> Vec<Field> {
        let mut row = vec![cost.step.clone().into()];
        let Some(output) = &cost.output else {
            row.resize(COLUMNS.len(), Field::None);
            return row;
        };
        let measured = |kib: u64| if kib == 0 { Field::None } else { Field::Bytes(kib << 10) };
        let metrics = output.metrics;
        row.extend([
            millis(metrics.wall_ms),
            millis(metrics.cpu_ms()),
            self.sbu(metrics.cpu_ms()).map_or(Field::None, Field::Text),
            measured(memory_kib(&metrics)),
            measured(metrics.disk_kib),
            Field::Bytes(output.size),
            output.files.into(),
        ]);
        row
    }

    /// A page without scripts: the sums, and a bar of CPU time for each step.
    pub fn page(&self) -> String {
        let (total, size, _) = self.total();
        let longest = self.steps.iter().map(|cost| cost.metrics().cpu_ms()).max().unwrap_or(0);
        let title = escaped(&self.target);
        let mut page = format!("{HEAD}<title>{title}</title><h1>{title}</h1>\n");
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "<p>{} of {} steps built; {} of CPU time{}, {} of outputs.</p>\n<table>\n<tr><th>step<th>CPU \
             time<th>wall<th>CPU<th>SBU<th>memory<th>disk<th>size</tr>",
            self.built(),
            self.steps.len(),
            duration(total.cpu_ms()),
            self.sbu(total.cpu_ms()).map_or(String::new(), |sbu| format!(", {sbu} SBU")),
            summary::measured(size),
        );
        for cost in &self.steps {
            self.line(&mut page, cost, longest.max(1));
        }
        page.push_str("</table>\n");
        page
    }

    fn line(&self, page: &mut String, cost: &Cost, longest: u64) {
        let metrics = cost.metrics();
        let cpu = metrics.cpu_ms();
        let width = cpu * BAR / longest;
        let _ = writeln!(
            page,
            "<tr><td>{}<td><svg width='{BAR}' height='12'><rect class='{}' width='{width}' height='12'/></svg>\
             <td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            escaped(&cost.step),
            cost.stage,
            duration(metrics.wall_ms),
            duration(cpu),
            self.sbu(cpu).unwrap_or_default(),
            summary::measured(memory_kib(&metrics) << 10),
            summary::measured(metrics.disk_kib << 10),
            cost.output
                .as_ref()
                .map_or_else(|| "not built".to_owned(), |row| summary::measured(row.size)),
        );
    }
}

/// The longest bar, in pixels.
const BAR: u64 = 320;
const HEAD: &str = "<!doctype html><meta charset='utf-8'><style>\
    body{font:14px/1.4 sans-serif;margin:2em}td,th{padding:0 .6em;text-align:right}\
    td:first-child,td:nth-child(2){text-align:left}svg{display:block}rect{fill:#888}\
    .cross{fill:#4878a8}.temporary{fill:#6aa84f}.chroot{fill:#b8860b}.system{fill:#a64d79}.boot{fill:#674ea7}\
    </style>\n";

/// That of the whole tree where a control group measured it, else of the largest process.
fn memory_kib(metrics: &Metrics) -> u64 {
    if metrics.memory_peak_kib > 0 { metrics.memory_peak_kib } else { metrics.max_rss_kib }
}

fn millis(ms: u64) -> Field {
    Field::Duration(ms.saturating_mul(1000))
}

/// Names of steps and targets have no such characters; a page is no place to rely on that.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{Cost, Costs, UNIT_STEP, newest};
    use minos_model::{Digest, Metrics, Stage};
    use minos_proto::sheet::Field;
    use minos_store::{HistoryRow, OutputRow, Sample};

    fn cost(step: &str, cpu_s: u64) -> Cost {
        let metrics = Metrics {
            wall_ms: cpu_s * 600,
            user_us: cpu_s * 1_000_000,
            max_rss_kib: 2048,
            disk_kib: 10 << 10,
            ..Metrics::default()
        };
        let output = (cpu_s > 0).then(|| OutputRow {
            digest: Digest::of(step.as_bytes()),
            step: step.parse().unwrap(),
            version: "1.0".parse().unwrap(),
            size: 3 << 20,
            files: 7,
            weak: false,
            created_ms: 0,
            attempt: 1,
            metrics,
        });
        Cost { step: step.to_owned(), stage: Stage::Cross, output }
    }

    fn costs() -> Costs {
        let steps = vec![cost(UNIT_STEP, 100), cost("gcc", 250), cost("late", 0)];
        Costs { target: "lfs/all".to_owned(), steps }
    }

    #[test]
    fn a_unit_is_the_cpu_time_of_binutils_and_what_is_not_built_has_no_figures() {
        let sheet = costs().sheet();
        assert_eq!(sheet.find("sbu"), Some(&Field::Text("3.50".into())));
        assert_eq!(sheet.find("built"), Some(&Field::Number(2)));
        let rows = &sheet.grids[0].rows;
        assert_eq!(rows[1][3], Field::Text("2.50".into()));
        assert_eq!(rows[1][5], Field::Bytes(10 << 20));
        assert!(rows[2][1..].iter().all(|field| *field == Field::None));
        assert!(rows.iter().all(|row| row.len() == sheet.grids[0].columns.len()));
    }

    /// The same bytes came out months later, and the table told what they had cost the first time.
    #[test]
    fn the_newest_build_of_the_key_counts() {
        let sample = |wall_ms| Sample {
            at_ms: wall_ms,
            metrics: Metrics { wall_ms, ..Metrics::default() },
            size: 0,
            phases: Vec::new(),
        };
        let (key, other) = (Digest::of(b"key"), Digest::of(b"other"));
        let history = |samples| Some(HistoryRow { last_key: key, samples });
        let wall = |history, key| newest(history, key).map(|metrics| metrics.wall_ms);
        assert_eq!(wall(history(vec![sample(1), sample(2)]), &key), Some(2));
        assert_eq!(wall(history(vec![sample(1)]), &other), None);
        assert_eq!(wall(history(Vec::new()), &key), None);
        assert_eq!(wall(None, &key), None);
    }

    #[test]
    fn without_binutils_there_is_no_unit() {
        let mut costs = costs();
        costs.steps.remove(0);
        assert_eq!(costs.sheet().find("sbu"), Some(&Field::None));
    }

    #[test]
    fn the_page_has_a_bar_for_each_step_and_no_markup_of_others() {
        let mut costs = costs();
        costs.steps[2].step = "<b>&".to_owned();
        let page = costs.page();
        assert_eq!(page.matches("<rect class").count(), 3);
        assert!(page.contains("width='320' height='12'/></svg><td>2:30<td>4:10<td>2.50"), "{page}");
        assert!(page.contains("&lt;b&gt;&amp;") && !page.contains("<b>"), "{page}");
        assert!(page.contains("<td>not built</tr>"));
    }
}
