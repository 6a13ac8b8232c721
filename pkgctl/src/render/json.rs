//! Replies, events and errors as JSON: one object a line. `docs/PKGCTL.md` holds the schema.
//!
//! The fields are those of `minos-proto`; what is an enum there becomes a word and its fields here,
//! so that `jq` needs no case distinction.

use minos_proto::{Attempt, Event, Progress, Proposal, Recorded, Reply, Sheet};
use serde_json::{Map, Value};

use super::sheet;
use crate::error::Error;

/// The schema's name and version: raised when a field changes its meaning or goes away.
pub const SCHEMA: &str = "minos/1";

/// A reply as lines, each with its newline: one, but recorded events are one each.
pub fn lines(answer: &Reply) -> String {
    if let Reply::Events(events) = answer {
        return events.iter().map(|event| recorded(event) + "\n").collect();
    }
    reply(answer) + "\n"
}

/// A reply: `{"schema", "type", "data"}`.
pub fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Log { attempt, bytes, end } => log(attempt, bytes, *end),
        Reply::Sheet(sheet) => object(of_sheet(sheet)),
        Reply::Proposal(Proposal { plan, sheet }) => {
            let plan = plan.map_or(Value::Null, |plan| plan.to_string().into());
            object(of_sheet(sheet).into_iter().chain([("plan", plan)]))
        }
        other => {
            let (name, data) = tagged(plain(other));
            object([("type", name.into()), ("data", data)])
        }
    }
}

/// A sheet: its kind is the type.
fn of_sheet(sheet: &Sheet) -> [(&'static str, Value); 2] {
    [("type", sheet.kind.clone().into()), ("data", sheet::json(sheet))]
}

/// How far a request is: `{"schema", "type": "progress", "stage", "subject", "done", "total"}`.
pub fn progress(progress: &Progress) -> String {
    object([
        ("type", "progress".into()),
        ("stage", progress.stage.clone().into()),
        ("subject", progress.subject.clone().into()),
        ("done", progress.done.into()),
        ("total", progress.total.into()),
    ])
}

/// A piece of a log, its bytes as text: an array of numbers helps nobody.
fn log(attempt: &Attempt, bytes: &[u8], end: bool) -> String {
    let mut data = Map::new();
    data.insert("attempt".into(), plain(attempt));
    data.insert("text".into(), String::from_utf8_lossy(bytes).into());
    data.insert("end".into(), end.into());
    object([("type", "log".into()), ("data", data.into())])
}

/// An event: `{"schema", "type": "event", "job", "at_ms", "event", "data"}`.
pub fn event(event: &Event) -> String {
    let (name, data) = tagged(plain(&event.body));
    object([
        ("type", "event".into()),
        ("job", event.job.into()),
        ("at_ms", event.at_ms.into()),
        ("event", name.into()),
        ("data", data),
    ])
}

/// A recorded event: as [`event`], with its `number`.
fn recorded(recorded: &Recorded) -> String {
    let (name, data) = tagged(plain(&recorded.event.body));
    object([
        ("type", "event".into()),
        ("number", recorded.number.into()),
        ("job", recorded.event.job.into()),
        ("at_ms", recorded.event.at_ms.into()),
        ("event", name.into()),
        ("data", data),
    ])
}

/// An error: `{"schema", "type": "error", "exit", "kind", "what", "hint"}`.
pub fn error(error: &Error) -> String {
    object([
        ("type", "error".into()),
        ("exit", (error.exit() as u8).into()),
        ("kind", error.kind().into()),
        ("what", error.to_string().into()),
        ("hint", error.hint().into()),
    ])
}

/// Any other object of ours.
pub fn object(fields: impl IntoIterator<Item = (&'static str, Value)>) -> String {
    let mut map = Map::new();
    map.insert("schema".into(), SCHEMA.into());
    for (key, value) in fields {
        map.insert(key.into(), value);
    }
    Value::Object(map).to_string()
}

fn plain(value: &impl serde::Serialize) -> Value {
    // Fails only for maps with keys that are no strings; proto has no maps.
    let mut value = serde_json::to_value(value).unwrap_or(Value::Null);
    flatten_states(&mut value);
    value
}

/// serde writes an enum as `"Name"` or `{"Name": content}`.
fn tagged(value: Value) -> (String, Value) {
    match value {
        Value::String(name) => (kebab(&name), Value::Null),
        Value::Object(map) => match map.into_iter().next() {
            Some((name, content)) => (kebab(&name), content),
            None => (String::new(), Value::Null),
        },
        other => (String::new(), other),
    }
}

/// `"state": {"failed": F}` becomes `"state": "failed", "failure": F`, and `{"running": P}` becomes
/// `"state": "running", "phase": P`.
fn flatten_states(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(flatten_states),
        Value::Object(map) => {
            if let Some(Value::Object(state)) = map.get("state") {
                let (word, detail) = tagged(Value::Object(state.clone()));
                let key = if word == "failed" { "failure" } else { "phase" };
                map.insert(key.into(), detail);
                map.insert("state".into(), word.into());
            }
            map.values_mut().for_each(flatten_states);
        }
        _ => {}
    }
}

/// `StepStarted` becomes `step-started`.
fn kebab(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use minos_model::{Digest, Failure, FailureClass, JobState, Metrics, Phase, StepState};
    use minos_proto::{ErrorKind, ErrorReport, Event, EventBody, JobReport, Reply, StepReport};

    use crate::error::Error;

    #[test]
    fn simple_replies() {
        let started = super::reply(&Reply::Started { job: 4 });
        assert_eq!(started, r#"{"data":{"job":4},"schema":"minos/1","type":"started"}"#);
        let done = super::reply(&Reply::Done);
        assert_eq!(done, r#"{"data":null,"schema":"minos/1","type":"done"}"#);
        let none = super::reply(&Reply::Jobs(Vec::new()));
        assert_eq!(none, r#"{"data":[],"schema":"minos/1","type":"jobs"}"#);
    }

    #[test]
    fn a_failed_step_is_a_word_and_its_failure() {
        let failure = Failure {
            class: FailureClass::OutOfMemory,
            phase: Some(Phase::Build),
            what: "cc1plus was killed".into(),
            hint: "more memory".into(),
        };
        let step = |state| StepReport {
            step: "gcc:pass1".parse().unwrap(),
            state,
            output: Some(Digest::of(b"abc")),
            size: 1,
            files: 2,
            metrics: Metrics::default(),
            attempt: None,
            weak_sandbox: false,
            tests: None,
        };
        let job = JobReport {
            id: 4,
            target: "x".into(),
            state: JobState::Failed,
            created_ms: 0,
            finished_ms: None,
            steps: 3,
            built: 0,
            cached: 0,
            failed: 1,
            resumed: 0,
            compares: false,
        };
        let steps = vec![
            step(StepState::Failed(failure)),
            step(StepState::Running(Some(Phase::Build))),
            step(StepState::Waiting),
        ];
        let text = super::reply(&Reply::Job { job, steps });
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let steps = &value["data"]["steps"];
        assert_eq!(value["data"]["job"]["state"], "failed");
        assert_eq!(steps[0]["state"], "failed");
        assert_eq!(steps[0]["failure"]["class"], "out-of-memory");
        assert_eq!(steps[0]["failure"]["phase"], "build");
        assert_eq!(steps[0]["output"], Digest::of(b"abc").to_string());
        assert_eq!((&steps[1]["state"], &steps[1]["phase"]), (&"running".into(), &"build".into()));
        assert_eq!(steps[2]["state"], "waiting");
    }

    #[test]
    fn events_and_errors() {
        let body = EventBody::StepStarted { step: "m4".parse().unwrap(), attempt: 7 };
        let shown = super::event(&Event { job: 4, at_ms: 9, body });
        let want = r#"{"at_ms":9,"data":{"attempt":7,"step":"m4"},"event":"step-started","job":4,"schema":"minos/1","type":"event"}"#;
        assert_eq!(shown, want);
        let error = Error::Daemon(ErrorReport::new(ErrorKind::NotFound, "no job 9", "see jobs"));
        let want = r#"{"exit":3,"hint":"see jobs","kind":"not-found","schema":"minos/1","type":"error","what":"no job 9"}"#;
        assert_eq!(super::error(&error), want);
    }
}
