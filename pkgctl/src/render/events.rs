//! `events`: what happened, and who asked for it.

use minos_model::units::date;
use minos_proto::{AuditLine, EventBody, Recorded};

use super::board::change;
use super::job::job_tone;
use super::table::{Cell, Table};
use super::{Tone, View};

/// Said where no event is kept: packages may have been changed all the same.
const NOTHING: &str = "no build has happened yet; 'pkgctl history' has the changes of packages\n";

/// Events as a table, in the order given.
pub fn events(events: &[Recorded], view: View) -> String {
    if events.is_empty() {
        return NOTHING.into();
    }
    let mut table = Table::new(&[">event", "when (UTC)", ">job", "step", "what"]);
    for Recorded { number, event } in events {
        let (step, what, tone) = said(&event.body);
        let job = if event.job == 0 { String::new() } else { event.job.to_string() };
        table.row([
            number.to_string().into(),
            date(event.at_ms).into(),
            job.into(),
            step.into(),
            Cell::toned(what, tone),
        ]);
    }
    table.render(view)
}

/// Step, words and tone of an event, those of whole jobs too.
fn said(body: &EventBody) -> (String, String, Tone) {
    match body {
        EventBody::JobQueued { target } => (String::new(), format!("{target} queued"), Tone::Plain),
        EventBody::JobFinished { state } => {
            (String::new(), format!("job {}", state.as_str()), job_tone(*state))
        }
        body => change(body),
    }
}

/// The audit trail as a table, in the order given.
pub fn audit(lines: &[AuditLine], view: View) -> String {
    if lines.is_empty() {
        return "nobody has asked for a change yet\n".into();
    }
    let mut table = Table::new(&[">line", "when (UTC)", ">uid", ">pid", "what"]);
    for line in lines {
        let id = |id: Option<u32>| id.map_or("pkgd".to_owned(), |id| id.to_string());
        table.row([
            line.number.to_string().into(),
            date(line.at_ms).into(),
            id(line.uid).into(),
            line.pid.map(|pid| pid.to_string()).unwrap_or_default().into(),
            Cell::from(&line.what),
        ]);
    }
    table.render(view)
}

#[cfg(test)]
mod tests {
    use minos_model::{Digest, JobState};
    use minos_proto::{AuditLine, Event, EventBody, Recorded};

    use super::{audit, events};
    use crate::render::View;

    const VIEW: View = View { width: 80, color: false };

    #[test]
    fn a_journal_of_two_jobs() {
        let bodies = [
            (4, EventBody::JobQueued { target: "demo/zlib".into() }),
            (4, EventBody::StepStarted { step: "zlib".parse().unwrap(), attempt: 9 }),
            (4, EventBody::JobFinished { state: JobState::Done }),
            (
                0,
                EventBody::OutputLost {
                    step: "zlib".parse().unwrap(),
                    output: Digest::of(b"zlib"),
                    why: "its files are gone".into(),
                },
            ),
        ];
        let recorded = |(n, (job, body)): (u64, (u64, EventBody))| Recorded {
            number: n,
            event: Event { job, at_ms: 1_763_696_820_000, body },
        };
        let list: Vec<Recorded> = (11..).zip(bodies).map(recorded).collect();
        let want = "event  when (UTC)        job  step  what
   11  2025-11-21 03:47    4        demo/zlib queued
   12  2025-11-21 03:47    4  zlib  started, attempt 9
   13  2025-11-21 03:47    4        job done
   14  2025-11-21 03:47       zlib  output DIGEST LOST: its files are gone
"
        .replace("DIGEST", &Digest::of(b"zlib").short());
        assert_eq!(events(&list, VIEW), want);
        assert!(events(&[], VIEW).contains("'pkgctl history'"));
    }

    #[test]
    fn who_asked_for_what() {
        let line = |number, uid: Option<u32>, what: &str| AuditLine {
            number,
            at_ms: 1_763_696_820_000,
            uid,
            pid: uid.map(|_| 77),
            what: what.into(),
        };
        let lines = [line(1, Some(0), "build m4 (pkgctl 0.1.0)"), line(2, None, "unattended")];
        let want = "line  when (UTC)         uid  pid  what
   1  2025-11-21 03:47     0   77  build m4 (pkgctl 0.1.0)
   2  2025-11-21 03:47  pkgd       unattended
";
        assert_eq!(audit(&lines, VIEW), want);
    }
}
