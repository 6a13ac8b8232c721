//! QEMU's machine protocol: one JSON object a line, commands with replies, and events.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Error;
use crate::observe::QmpEvent;

/// A connection to a monitor.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    replies: Receiver<Value>,
    next: u64,
    timeout: Duration,
}

impl Qmp {
    /// Connects to the monitor at `path`; events are dropped. `timeout` is for each answer.
    ///
    /// # Errors
    /// [`Error::Io`] when nobody listens, [`Error::Monitor`] when it does not speak QMP.
    pub fn connect(path: &Path, timeout: Duration) -> Result<Self, Error> {
        let stream = UnixStream::connect(path).map_err(Error::io("connect to", path))?;
        Self::over(stream, timeout, drop).map(|(qmp, _)| qmp)
    }

    /// Speaks QMP over `stream` and hands each event to `on_event`, in a thread that ends with the
    /// connection.
    ///
    /// # Errors
    /// [`Error::Monitor`] when the peer does not greet within `timeout`.
    pub fn over(
        stream: UnixStream,
        timeout: Duration,
        on_event: impl FnMut(QmpEvent) + Send + 'static,
    ) -> Result<(Self, JoinHandle<()>), Error> {
        let broken = |why: &str| monitor("qmp_capabilities", why);
        let from = stream.try_clone().map_err(|e| broken(&e.to_string()))?;
        let (to, replies) = mpsc::channel();
        let reader = thread::Builder::new()
            .name("qmp".into())
            .spawn(move || read(BufReader::new(from), &to, on_event))
            .map_err(|e| broken(&e.to_string()))?;
        let mut qmp = Self { stream, replies, next: 0, timeout };
        match qmp.replies.recv_timeout(timeout) {
            Ok(greeting) if greeting.get("QMP").is_some() => {}
            Ok(_) => return Err(broken("the peer does not greet as QEMU does")),
            Err(e) => return Err(broken(no_reply(e))),
        }
        qmp.execute("qmp_capabilities", None)?;
        Ok((qmp, reader))
    }

    /// Runs one command and returns what it answers.
    ///
    /// # Errors
    /// [`Error::Refused`] with QEMU's words, [`Error::Monitor`] without an answer in time.
    pub fn execute(&mut self, command: &str, arguments: Option<Value>) -> Result<Value, Error> {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"execute": command, "id": id});
        if let (Some(arguments), Some(object)) = (arguments, message.as_object_mut()) {
            object.insert("arguments".into(), arguments);
        }
        let line = format!("{message}\n");
        self.stream.write_all(line.as_bytes()).map_err(|e| monitor(command, &e.to_string()))?;
        loop {
            let reply = self
                .replies
                .recv_timeout(self.timeout)
                .map_err(|e| monitor(command, no_reply(e)))?;
            // An answer to an earlier command that came after its time-out is not ours.
            if reply.get("id").and_then(Value::as_u64) == Some(id) {
                return outcome(command, reply);
            }
        }
    }

    /// Runs a command of the human monitor, for the few things QMP lacks.
    ///
    /// # Errors
    /// As [`Self::execute`]; what the command prints is its complaint.
    pub fn human(&mut self, line: &str) -> Result<(), Error> {
        let arguments = json!({"command-line": line});
        let printed = self.execute("human-monitor-command", Some(arguments))?;
        match printed.as_str().map(str::trim) {
            None | Some("") => Ok(()),
            Some(why) => Err(Error::Refused { command: line.into(), why: why.into() }),
        }
    }

    /// Ends QEMU. It need not answer: it may be gone before it could.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn quit(&mut self) -> Result<(), Error> {
        match self.execute("quit", None) {
            Err(Error::Monitor { .. }) => Ok(()),
            other => other.map(drop),
        }
    }
}

fn monitor(command: &str, why: &str) -> Error {
    Error::Monitor { command: command.into(), why: why.into() }
}

fn no_reply(e: RecvTimeoutError) -> &'static str {
    match e {
        RecvTimeoutError::Timeout => "it did not answer in time",
        RecvTimeoutError::Disconnected => "it closed the connection",
    }
}

fn outcome(command: &str, mut reply: Value) -> Result<Value, Error> {
    if let Some(error) = reply.get("error") {
        let why = error.get("desc").and_then(Value::as_str).unwrap_or("no reason given").into();
        return Err(Error::Refused { command: command.into(), why });
    }
    Ok(reply.get_mut("return").map(Value::take).unwrap_or_default())
}

fn read(from: impl BufRead, replies: &Sender<Value>, mut on_event: impl FnMut(QmpEvent)) {
    for line in from.split(b'\n') {
        let Ok(line) = line else { return };
        // A line that is no JSON is QEMU's fault; the command's time-out reports it.
        let Ok(mut value) = serde_json::from_slice::<Value>(&line) else { continue };
        match value.get("event").and_then(Value::as_str).map(str::to_owned) {
            Some(name) => {
                let data = value.get_mut("data").map(Value::take).unwrap_or_default();
                on_event(QmpEvent { name, data });
            }
            // Nobody waits for answers once the monitor is dropped; events still matter.
            None => drop(replies.send(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use serde_json::Value;

    use super::{Error, Qmp};

    /// Plays QEMU: greets, then answers each command with the lines `script` gives for it.
    fn fake(script: fn(&str, u64) -> String) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            let mut to = theirs.try_clone().unwrap();
            to.write_all(b"{\"QMP\": {\"version\": {}}}\r\n").unwrap();
            for line in BufReader::new(theirs).lines() {
                let command: Value = serde_json::from_str(&line.unwrap()).unwrap();
                let id = command["id"].as_u64().unwrap();
                let name = command["execute"].as_str().unwrap();
                let answer = match name {
                    "qmp_capabilities" => format!("{{\"return\": {{}}, \"id\": {id}}}\n"),
                    name => script(name, id),
                };
                if to.write_all(answer.as_bytes()).is_err() || name == "quit" {
                    return;
                }
            }
        });
        ours
    }

    const SOON: Duration = Duration::from_millis(200);

    #[test]
    fn replies_and_events_are_told_apart() {
        let stream = fake(|_, id| {
            format!(
                "{{\"event\": \"STOP\", \"data\": {{}}}}\n{{\"return\": 1, \"id\": 999}}\nnoise\n\
                 {{\"return\": {{\"status\": \"running\"}}, \"id\": {id}}}\n"
            )
        });
        let (events, seen) = mpsc::channel();
        let on_event = move |e| drop(events.send(e));
        let (mut qmp, _reader) = Qmp::over(stream, Duration::from_secs(5), on_event).unwrap();
        assert_eq!(qmp.execute("query-status", None).unwrap()["status"], "running");
        assert_eq!(seen.recv().unwrap().name, "STOP");
    }

    #[test]
    fn a_refusal_carries_qemus_words() {
        let stream = fake(|_, id| {
            format!(
                "{{\"error\": {{\"class\": \"E\", \"desc\": \"no such disk\"}}, \"id\": {id}}}\n"
            )
        });
        let (mut qmp, _reader) = Qmp::over(stream, Duration::from_secs(5), drop).unwrap();
        let e = qmp.execute("x", None).unwrap_err();
        assert!(matches!(&e, Error::Refused { .. }) && e.to_string().contains("no such disk"));
    }

    #[test]
    fn silence_is_an_error_and_the_late_answer_is_not_taken_for_the_next() {
        let stream = fake(|name, id| match name {
            "slow" => String::new(),
            _ => format!(
                "{{\"return\": \"late\", \"id\": {}}}\n{{\"return\": 2, \"id\": {id}}}\n",
                id - 1
            ),
        });
        let (mut qmp, _reader) = Qmp::over(stream, SOON, drop).unwrap();
        assert!(matches!(qmp.execute("slow", None), Err(Error::Monitor { .. })));
        assert_eq!(qmp.execute("next", None).unwrap(), 2);
    }

    #[test]
    fn quit_may_go_unanswered() {
        let (mut qmp, _reader) = Qmp::over(fake(|_, _| String::new()), SOON, drop).unwrap();
        qmp.quit().unwrap();
    }

    #[test]
    fn a_peer_that_is_not_qemu_is_refused() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"{\"hello\": 1}\n").unwrap();
        assert!(matches!(Qmp::over(ours, SOON, drop), Err(Error::Monitor { .. })));
    }
}
