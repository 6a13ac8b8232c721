//! `watch`: one line for each change, and one status line that says where the job stands.

use minos_model::units::{clock, count, duration, size_kib};
use minos_model::{JobState, Metrics};
use minos_proto::{Event, EventBody, JobReport, RunningStep, StepReport};

use super::text::{clean, clip, labelled, width};
use super::{Tone, View};

/// Columns of the time in front of each line.
const TIME_COLUMNS: usize = 8;
/// Columns kept for the step's name; longer names push the rest to the right.
const STEP_COLUMNS: usize = 16;

/// What is known of a job that is being watched.
#[derive(Debug, Clone)]
pub struct Board {
    began_ms: u64,
    done: u32,
    total: u32,
    running: Vec<RunningStep>,
    left_ms: Option<u64>,
    finished: Option<JobState>,
}

impl Board {
    /// From the reply that opens a watch.
    pub fn new(job: &JobReport, steps: &[StepReport]) -> Self {
        let over = |s: &&StepReport| {
            use minos_model::StepState::{Built, Cached, Failed, Skipped};
            matches!(s.state, Built | Cached | Failed(_) | Skipped)
        };
        Self {
            began_ms: job.created_ms,
            done: steps.iter().filter(over).count() as u32,
            total: job.steps,
            running: Vec::new(),
            left_ms: None,
            finished: job.state.is_final().then_some(job.state),
        }
    }

    /// Takes in where the job stands now, after events may have been missed.
    pub fn resume(&mut self, job: &JobReport, steps: &[StepReport]) {
        *self = Self { running: std::mem::take(&mut self.running), ..Self::new(job, steps) };
    }

    /// The first line of a watch.
    pub fn opening(&self, job: &JobReport, view: View) -> String {
        let mut text = format!("job {} {}: {}", job.id, job.target, job.state);
        text.push_str(&format!(", {} of {} done", self.done, count(self.total.into(), "step")));
        labelled("", &text, view.width)
    }

    /// How the job ended, once it has.
    pub fn finished(&self) -> Option<JobState> {
        self.finished
    }

    /// Takes an event in and returns the lines to print: none for mere progress.
    pub fn event(&mut self, event: &Event, view: View) -> String {
        let (step, what, tone) = match &event.body {
            EventBody::Progress { done, total, running, left_ms } => {
                (self.done, self.total) = (*done, *total);
                self.running.clone_from(running);
                self.left_ms = *left_ms;
                return String::new();
            }
            // The watch began with what the job builds.
            EventBody::JobQueued { .. } => return String::new(),
            EventBody::JobFinished { state } => {
                self.finished = Some(*state);
                self.running.clear();
                return String::new();
            }
            body => change(body),
        };
        let since = clock(event.at_ms.saturating_sub(self.began_ms));
        let label = format!("{since:>TIME_COLUMNS$}  {step:<STEP_COLUMNS$} ");
        let room = view.width.saturating_sub(TIME_COLUMNS + 12).max(STEP_COLUMNS);
        let label = if label.len() > room { clip(&label, room) + " " } else { label };
        tint(labelled(&label, &what, view.width), &label, tone, view)
    }

    /// The status line, at most `columns - 1` wide: writing into the last column would make some
    /// terminals wrap.
    pub fn status_line(&self, columns: usize) -> String {
        let room = columns.saturating_sub(1);
        let head = format!("{} {}/{}", self.bar(columns), self.done, self.total);
        let tail = self.totals();
        for shown in (0..=self.running.len()).rev() {
            let line = format!("{head}{}{tail}", self.steps(shown));
            if width(&line) <= room {
                return line;
            }
        }
        clip(&head, room)
    }

    fn bar(&self, columns: usize) -> String {
        let cells = if columns >= 100 { 20 } else { 10 };
        let full = (self.fraction() * cells as f64) as usize;
        let full = full.min(cells);
        format!("[{}{}]", "#".repeat(full), "-".repeat(cells - full))
    }

    /// Done steps and the parts of those that run, as far as their time is known.
    fn fraction(&self) -> f64 {
        let part = |s: &RunningStep| match s.left_ms {
            Some(left) => s.elapsed_ms as f64 / (s.elapsed_ms.saturating_add(left).max(1)) as f64,
            None => 0.0,
        };
        let parts: f64 = self.running.iter().map(part).sum();
        (f64::from(self.done) + parts) / f64::from(self.total.max(1))
    }

    fn steps(&self, shown: usize) -> String {
        let mut out = String::new();
        for step in self.running.iter().take(shown) {
            let phase = step.phase.map(|p| format!(" {p}")).unwrap_or_default();
            let comma = if out.is_empty() { " " } else { ", " };
            out.push_str(&format!("{comma}{}{phase} {}", step.step, clock(step.elapsed_ms)));
        }
        match self.running.len() - shown {
            0 => out,
            hidden => format!("{out} +{hidden}"),
        }
    }

    fn totals(&self) -> String {
        let mut out = String::new();
        if !self.running.is_empty() {
            // Whatever the daemon says, no sum may overflow.
            let cpu = self.running.iter().fold(0, |n: u64, s| n.saturating_add(s.cpu_ms));
            let memory = self.running.iter().fold(0, |n: u64, s| n.saturating_add(s.memory_kib));
            // 0 means "not measured": without cgroups the costs of a phase are known at its end.
            if cpu > 0 {
                out.push_str(&format!(" cpu {}", clock(cpu)));
            }
            if memory > 0 {
                out.push_str(&format!(" mem {}", size_kib(memory)));
            }
        }
        if let Some(left) = self.left_ms {
            out.push_str(&format!(" left {}", clock(left)));
        }
        out
    }
}

/// Colours the first word after the label: the rest may be long.
fn tint(line: String, label: &str, tone: Tone, view: View) -> String {
    let Some(rest) = line.strip_prefix(label) else { return line };
    let (word, rest) = rest.split_at(rest.find([' ', '\n']).unwrap_or(rest.len()));
    format!("{label}{}{rest}", view.paint(tone, word))
}

/// Step, words and tone of a change.
pub fn change(body: &EventBody) -> (String, String, Tone) {
    let (step, what, tone) = match body {
        EventBody::StepStarted { step, attempt } => {
            (step, format!("started, attempt {attempt}"), Tone::Strong)
        }
        EventBody::PhaseStarted { step, phase, resumed } => {
            let how = if *resumed { ", taken up from the checkpoint before it" } else { "" };
            (step, format!("{phase}{how}"), Tone::Plain)
        }
        EventBody::PhaseDone { step, phase, metrics } => {
            (step, format!("{phase} done in {}", cost(metrics)), Tone::Plain)
        }
        EventBody::StepCached { step, output } => {
            (step, format!("cached, output {}", output.short()), Tone::Good)
        }
        EventBody::StepBuilt { step, output, metrics } => {
            (step, format!("built in {}, output {}", cost(metrics), output.short()), Tone::Good)
        }
        EventBody::StepFailed { step, failure } => {
            (step, format!("FAILED {}", clean(&failure.to_string())), Tone::Bad)
        }
        EventBody::StepSkipped { step, because } => {
            (step, format!("skipped, it needs {because}"), Tone::Warn)
        }
        EventBody::StepCompared { step, files: 0, .. } => {
            (step, "the same when built again".into(), Tone::Good)
        }
        EventBody::StepCompared { step, files, .. } => {
            (step, format!("DIFFERS in {} when built again", count(*files, "path")), Tone::Bad)
        }
        EventBody::StepTested { step, tested } => (step, format!("tests: {tested}"), Tone::Plain),
        EventBody::OutputLost { step, output, why } => {
            (step, format!("output {} LOST: {}", output.short(), clean(why)), Tone::Bad)
        }
        EventBody::OutputMended { step, output, why } => {
            let what = format!("output {} was damaged, now mended: {}", output.short(), clean(why));
            (step, what, Tone::Warn)
        }
        EventBody::StepClobbers { step, clobbers } => {
            (step, clean(&clobbers.to_string()), Tone::Warn)
        }
        // Handled by the caller: they change the board, not a step.
        EventBody::Progress { .. }
        | EventBody::JobFinished { .. }
        | EventBody::JobQueued { .. } => {
            return (String::new(), String::new(), Tone::Plain);
        }
    };
    (step.to_string(), what, tone)
}

fn cost(metrics: &Metrics) -> String {
    let mut out = format!("{}, cpu {}", duration(metrics.wall_ms), duration(metrics.cpu_ms()));
    if metrics.max_rss_kib > 0 {
        out.push_str(&format!(", peak {}", size_kib(metrics.max_rss_kib)));
    }
    out
}

#[cfg(test)]
mod tests {
    use minos_model::{Digest, Failure, FailureClass, JobState, Metrics, Phase, Tested};
    use minos_proto::{Event, EventBody, JobReport, RunningStep};
    use proptest::prelude::{any, prop_assert, proptest};

    use super::Board;
    use crate::render::View;
    use crate::render::text::width;

    const VIEW: View = View { width: 80, color: false };

    fn board() -> Board {
        let job = JobReport {
            id: 4,
            target: "lfs/toolchain".into(),
            state: JobState::Running,
            created_ms: 1_000_000,
            finished_ms: None,
            steps: 5,
            built: 0,
            cached: 0,
            failed: 0,
            resumed: 0,
            compares: false,
        };
        let board = Board::new(&job, &[]);
        let opening = "job 4 lfs/toolchain: running, 0 of 5 steps done\n";
        assert_eq!(board.opening(&job, VIEW), opening);
        board
    }

    fn event(after_ms: u64, body: EventBody) -> Event {
        Event { job: 4, at_ms: 1_000_000 + after_ms, body }
    }

    fn running(step: &str, elapsed_ms: u64, left_ms: Option<u64>) -> RunningStep {
        RunningStep {
            step: step.parse().unwrap(),
            phase: Some(Phase::Build),
            elapsed_ms,
            left_ms,
            cpu_ms: 340_000,
            memory_kib: 831_488,
        }
    }

    fn progress(running: Vec<RunningStep>) -> EventBody {
        EventBody::Progress { done: 2, total: 5, running, left_ms: Some(750_000) }
    }

    #[test]
    fn one_line_for_each_change() {
        let gcc = || "gcc:pass1".parse().unwrap();
        let metrics = Metrics {
            wall_ms: 338_000,
            user_us: 552_000_000,
            max_rss_kib: 421_888,
            ..Metrics::default()
        };
        let failure = Failure {
            class: FailureClass::Script,
            phase: Some(Phase::Build),
            what: "make ended with status 2: no rule to make target 'all'".into(),
            hint: String::new(),
        };
        let output = Digest::of(b"abc");
        let bodies = [
            EventBody::StepCached { step: "m4".parse().unwrap(), output },
            EventBody::StepStarted { step: gcc(), attempt: 8 },
            EventBody::PhaseStarted { step: gcc(), phase: Phase::Build, resumed: true },
            EventBody::PhaseDone { step: gcc(), phase: Phase::Build, metrics },
            EventBody::StepBuilt { step: gcc(), output, metrics },
            EventBody::StepFailed { step: gcc(), failure },
            EventBody::StepSkipped { step: "glibc".parse().unwrap(), because: gcc() },
            EventBody::StepCompared { step: "m4".parse().unwrap(), output, files: 0 },
            EventBody::StepCompared { step: gcc(), output, files: 2 },
            EventBody::StepTested {
                step: gcc(),
                tested: Tested { passed: 7, ..Tested::default() },
            },
            EventBody::JobFinished { state: JobState::Failed },
        ];
        let mut board = board();
        let shown: String = bodies
            .into_iter()
            .enumerate()
            .map(|(n, body)| board.event(&event(n as u64 * 61_000, body), VIEW))
            .collect();
        let want = "    0:00  m4               cached, output ba7816bf8f01
    1:01  gcc:pass1        started, attempt 8
    2:02  gcc:pass1        build, taken up from the checkpoint before it
    3:03  gcc:pass1        build done in 5:38, cpu 9:12, peak 412 MiB
    4:04  gcc:pass1        built in 5:38, cpu 9:12, peak 412 MiB, output
                           ba7816bf8f01
    5:05  gcc:pass1        FAILED script in build: make ended with status 2: no
                           rule to make target 'all'
    6:06  glibc            skipped, it needs gcc:pass1
    7:07  m4               the same when built again
    8:08  gcc:pass1        DIFFERS in 2 paths when built again
    9:09  gcc:pass1        tests: 7 passed
";
        assert_eq!(shown, want);
        assert_eq!(board.finished(), Some(JobState::Failed));
    }

    #[test]
    fn colours_touch_one_word() {
        let mut board = board();
        let body = EventBody::StepStarted { step: "m4".parse().unwrap(), attempt: 1 };
        let shown = board.event(&event(0, body), View { color: true, ..VIEW });
        assert_eq!(shown, "    0:00  m4               \x1b[1mstarted,\x1b[0m attempt 1\n");
    }

    #[test]
    fn the_status_line_says_it_all_in_eighty_columns() {
        let mut board = board();
        assert_eq!(board.status_line(80), "[----------] 0/5");
        board.event(&event(0, progress(vec![running("gcc:pass1", 192_000, Some(192_000))])), VIEW);
        let want = "[#####-----] 2/5 gcc:pass1 build 3:12 cpu 5:40 mem 812 MiB left 12:30";
        assert_eq!(board.status_line(80), want);
        let two = vec![running("gcc:pass1", 192_000, None), running("glibc", 9_000, None)];
        board.event(&event(0, progress(two)), VIEW);
        let want = "[####------] 2/5 gcc:pass1 build 3:12 +1 cpu 11:20 mem 1.5 GiB left 12:30";
        assert_eq!(board.status_line(80), want);
        assert_eq!(board.status_line(30), "[####------] 2/5");
    }

    proptest! {
        #[test]
        fn never_wider_than_the_terminal(
            columns in 1usize..200, lanes in 0usize..6, done in 0u32..2000, total in 0u32..2000,
            elapsed_ms in any::<u64>(), left in proptest::option::of(any::<u64>()),
        ) {
            let mut board = board();
            let running = vec![running("binutils:pass1", elapsed_ms, left); lanes];
            let body = EventBody::Progress { done, total, running, left_ms: left };
            board.event(&event(0, body), VIEW);
            prop_assert!(width(&board.status_line(columns)) < columns.max(1));
            let step = "a-package-with-a-name-of-quite-some-length:pass1".parse().unwrap();
            let view = View { width: columns.max(24), color: false };
            let line = board.event(&event(elapsed_ms, EventBody::StepStarted { step, attempt: 1 }), view);
            prop_assert!(line.lines().all(|l| width(l) <= view.width), "{line}");
        }
    }
}
