//! The same work done by several programs: samples, medians, a table.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bench::{Figure, median};
use crate::meter::Run;

/// How our side is called in the table.
pub const OURS: &str = "minos";

/// Which of the measured values a row compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// CPU time of the whole process, start included.
    Process,
    /// Wall time of the work within a process that has everything open, as a daemon has; of peers, which are
    /// started for every question, CPU time of the whole process.
    Within,
}

/// A row: what is measured and what it should not exceed, in milliseconds.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name, as the samples are filed under.
    pub name: String,
    /// What is compared.
    pub measure: Measure,
    /// Target in milliseconds.
    pub target: Option<f64>,
}

/// One run of some work.
#[derive(Debug, Clone, Copy)]
struct Sample {
    cpu: f64,
    wall: f64,
    peak: f64,
    within: Option<f64>,
}

/// All samples, by work and by who did it.
#[derive(Debug, Default)]
pub struct Samples(BTreeMap<(String, String), Vec<Sample>>);

impl Samples {
    /// Files a run of `who`.
    pub fn add(&mut self, work: &str, who: &str, run: &Run) {
        self.put(work, who, run, None);
    }

    /// Files what one of our processes printed about the pieces of work it did, each as `work.PIECE` where it
    /// names more than one.
    pub fn add_within(&mut self, work: &str, run: &Run) {
        let lines = run.output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let pieces: Vec<(String, f64)> = lines
            .filter_map(|v| {
                Some((v.get("work")?.as_str()?.to_owned(), v.get("wall_ms")?.as_f64()?))
            })
            .collect();
        for (piece, wall) in &pieces {
            let name = if pieces.len() > 1 { piece.as_str() } else { work };
            self.put(name, OURS, run, Some(*wall));
        }
    }

    fn put(&mut self, work: &str, who: &str, run: &Run, within: Option<f64>) {
        let sample = Sample { cpu: run.cpu * 1e3, wall: run.wall * 1e3, peak: run.peak, within };
        self.0.entry((work.to_owned(), who.to_owned())).or_default().push(sample);
    }

    /// Our figure of a row beside the best peer's; `None` where we did not do the work.
    pub fn figure(&self, row: &Row) -> Option<Figure> {
        let value = |samples: &[Sample]| match row.measure {
            Measure::Process => median(samples.iter().map(|s| s.cpu).collect()),
            Measure::Within => median(samples.iter().map(|s| s.within.unwrap_or(s.cpu)).collect()),
        };
        let ours = self.0.get(&(row.name.clone(), OURS.to_owned()))?;
        let peers = self.of(&row.name).filter(|(who, _)| *who != OURS);
        let mut figure = Figure::new(row.name.clone(), value(ours), "ms", row.target);
        figure.peer = peers.map(|(_, samples)| value(samples)).min_by(f64::total_cmp);
        Some(figure)
    }

    /// Every piece of work of which there is a sample, sorted.
    pub fn works(&self) -> impl Iterator<Item = &str> {
        let mut works: Vec<&str> = self.0.keys().map(|(work, _)| work.as_str()).collect();
        works.dedup();
        works.into_iter()
    }

    fn of<'a>(&'a self, work: &'a str) -> impl Iterator<Item = (&'a str, &'a [Sample])> {
        let of_work = self.0.iter().filter(move |((w, _), _)| w == work);
        of_work.map(|((_, who), samples)| (who.as_str(), samples.as_slice()))
    }

    /// Everybody's medians for a row, one line each: text of 80 columns, or JSON.
    pub fn details(&self, work: &str, as_json: bool) -> Vec<String> {
        let line = |(who, samples): (&str, &[Sample])| {
            let of = |field: fn(&Sample) -> f64| median(samples.iter().map(field).collect());
            let (cpu, wall, peak) = (of(|s| s.cpu), of(|s| s.wall), of(|s| s.peak));
            let within = samples.iter().any(|s| s.within.is_some());
            let within = within.then(|| of(|s| s.within.unwrap_or(0.0)));
            let runs = samples.len();
            if as_json {
                return json!({
                    "work": work, "who": who, "cpu_ms": cpu, "wall_ms": wall, "peak_kib": peak,
                    "within_ms": within, "runs": runs,
                })
                .to_string();
            }
            let within = within.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.3}"));
            let peak = peak / 1024.0;
            format!("    {who:<14} {cpu:>12.1} {wall:>12.1} {within:>12} {peak:>10.1} {runs:>5}")
        };
        self.of(work).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(cpu: f64, output: &str) -> Run {
        Run { cpu, wall: cpu * 2.0, peak: 1024.0, output: output.to_owned() }
    }

    #[test]
    fn a_row_compares_medians_with_the_best_peer() {
        let mut samples = Samples::default();
        for (mine, one, other) in [(1.0, 4.0, 9.0), (3.0, 4.0, 2.0), (2.0, 4.0, 9.0)] {
            samples.add("install", OURS, &run(mine, ""));
            samples.add("install", "one", &run(one, ""));
            samples.add("install", "other", &run(other, ""));
        }
        let row = Row { name: "install".into(), measure: Measure::Process, target: Some(2500.0) };
        let figure = samples.figure(&row).expect("our figure");
        assert_eq!((figure.value, figure.peer), (2000.0, Some(4000.0)));
        assert_eq!(figure.ratio(), Some(0.5));
        assert_eq!(samples.details("install", false).len(), 3);
    }

    #[test]
    fn pieces_of_work_are_read_from_the_output_of_our_process() {
        let mut samples = Samples::default();
        let one = r#"{"work":"solve.warm","wall_ms":4.5,"cpu_ms":4.4}"#;
        samples.add_within("W3.warm", &run(1.0, &format!("{one}\n{{\"packages\":3}}\nnoise\n")));
        let row = Row { name: "W3.warm".into(), measure: Measure::Within, target: None };
        assert_eq!(samples.figure(&row).map(|f| f.value), Some(4.5));
        let two = format!("{one}\n{}\n", one.replace("solve.warm", "search"));
        samples.add_within("query", &run(1.0, &two));
        let row = Row { name: "search".into(), ..row };
        assert_eq!(samples.figure(&row).map(|f| f.value), Some(4.5));
    }

    #[test]
    fn what_we_did_not_do_has_no_figure() {
        let mut samples = Samples::default();
        samples.add("remove", "one", &run(1.0, ""));
        let row = Row { name: "remove".into(), measure: Measure::Process, target: None };
        assert!(samples.figure(&row).is_none());
    }
}
