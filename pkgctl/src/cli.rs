//! From the words of a command line to a verb, and from its end to an exit status.

use minos_model::suggest;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};

use crate::client::Endpoint;
use crate::context::{Context, Terminal};
use crate::error::Error;
use crate::exit::Exit;
use crate::grammar::Place;
use crate::render::json;
use crate::render::text::{clip, labelled, labelled_lines, refold};
use crate::spec::LONGEST_COMPLAINT;
use crate::verbs::Verb;
use crate::{shell, words};

/// The name in usage texts.
const NAME: &str = "pkgctl";
/// How long a silent pkgd is waited for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Builds Linux From Scratch with pkgd and looks after MinOS. Without a verb, on a terminal: an
/// interactive shell.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    note = "Options may stand before or after the verb. 'pkgctl help VERB' tells more.",
    error_code(0, "done"),
    error_code(1, "the job failed or was cancelled, or the answer was no"),
    error_code(2, "the command line or the request is wrong"),
    error_code(3, "what was named does not exist"),
    error_code(4, "pkgd cannot be reached"),
    error_code(5, "forbidden to this user"),
    error_code(6, "a recipe or lock file is wrong"),
    error_code(7, "the machine cannot build: see 'pkgctl doctor'"),
    error_code(8, "pkgctl and pkgd do not speak the same protocol"),
    error_code(9, "the state cannot be read or written"),
    error_code(10, "a fault of pkgd or pkgctl"),
    error_code(11, "not possible in the present state"),
    error_code(12, "a limit of pkgd is reached"),
    error_code(13, "no set of packages is what was asked for"),
    error_code(14, "a step does not come out the same again"),
    error_code(15, "what was built needs what is not in it"),
    error_code(130, "interrupted")
)]
pub struct Cli {
    /// pkgd's socket (default /run/pkgd.sock)
    #[argh(option, arg_name = "path")]
    socket: Option<PathBuf>,
    /// host mode: the state root given to 'pkgd --root'
    #[argh(option, arg_name = "dir")]
    root: Option<PathBuf>,
    /// control socket of a running VM; the path may be left out (default out/vm/control.sock)
    #[argh(option, arg_name = "path")]
    vm: Option<PathBuf>,
    /// give up when pkgd is silent for so many seconds (default 30)
    #[argh(option, arg_name = "seconds")]
    timeout: Option<u32>,
    /// answer in JSON, one object a line
    #[argh(switch)]
    json: bool,
    /// no colours; so does NO_COLOR in the environment
    #[argh(switch)]
    no_color: bool,
    #[argh(subcommand)]
    verb: Option<Verb>,
}

/// What a command line asks for.
enum Asked {
    /// To do something.
    Command(Cli),
    /// To be told how: the text.
    Help(String),
}

/// Runs one command line and says how it ended. Results go to `out`, errors to standard error (with
/// `--json` also to `out`).
pub fn run(words: &[String], terminal: Terminal, out: &mut dyn Write) -> Exit {
    let json = words.iter().any(|w| w == "--json");
    let done = match parse(words) {
        Ok(Asked::Help(text)) => out
            .write_all(refold(&text, terminal.width).as_bytes())
            .map(|()| Exit::Ok)
            .map_err(Error::from),
        Ok(Asked::Command(cli)) => cli.execute(terminal, out),
        Err(e) => Err(e),
    };
    done.unwrap_or_else(|error| report(&error, json, terminal, out))
}

/// Runs one line of the shell in its context: global options of the line hold for the line only.
pub fn run_line(words: &[String], shell: &mut Context<'_>) -> Exit {
    let json = shell.json || words.iter().any(|w| w == "--json");
    let done = match parse(words) {
        Ok(Asked::Help(text)) => shell.print(&refold(&text, shell.view().width)).map(|()| Exit::Ok),
        Ok(Asked::Command(cli)) => cli.execute_in(shell),
        Err(e) => Err(e),
    };
    done.unwrap_or_else(|error| report(&error, json, shell.terminal(), shell.out()))
}

impl Cli {
    fn execute(self, terminal: Terminal, out: &mut dyn Write) -> Result<Exit, Error> {
        let endpoint =
            self.endpoint()?.unwrap_or_else(|| Endpoint::Socket(Endpoint::DEFAULT_SOCKET.into()));
        let terminal = Terminal { color: terminal.color && !self.no_color, ..terminal };
        let mut context = Context::new(endpoint, self.patience(TIMEOUT), self.json, terminal, out);
        match self.verb {
            Some(verb) => verb.run(&mut context),
            None if terminal.interactive && !self.json => shell::run(context),
            None => Err(Error::usage("no verb given", "'pkgctl help' lists them")),
        }
    }

    fn execute_in(self, shell: &mut Context<'_>) -> Result<Exit, Error> {
        let endpoint = self.endpoint()?.unwrap_or_else(|| shell.endpoint.clone());
        let patience = self.patience(shell.patience);
        let terminal = shell.terminal();
        let terminal = Terminal { color: terminal.color && !self.no_color, ..terminal };
        let json = self.json || shell.json;
        let Some(verb) = self.verb else {
            return Err(Error::usage("no verb given", "'help' lists them"));
        };
        let mut context = Context::new(endpoint, patience, json, terminal, shell.out());
        context.in_shell = true;
        verb.run(&mut context)
    }

    fn endpoint(&self) -> Result<Option<Endpoint>, Error> {
        match (&self.socket, &self.root, &self.vm) {
            (None, None, None) => Ok(None),
            (Some(path), None, None) => Ok(Some(Endpoint::Socket(path.clone()))),
            (None, Some(root), None) => Ok(Some(Endpoint::Root(root.clone()))),
            (None, None, Some(path)) => Ok(Some(Endpoint::Vm(path.clone()))),
            _ => Err(Error::usage(
                "--socket, --root and --vm exclude each other",
                "give one of them",
            )),
        }
    }

    fn patience(&self, usual: Duration) -> Duration {
        self.timeout.map_or(usual, |seconds| Duration::from_secs(seconds.max(1).into()))
    }
}

fn parse(given: &[String]) -> Result<Asked, Error> {
    let arranged = words::arrange(given);
    let plain: Vec<&str> = arranged.iter().map(String::as_str).collect();
    match Cli::from_args(&[NAME], &plain) {
        Ok(cli) => Ok(Asked::Command(cli)),
        Err(early) if early.status.is_ok() => Ok(Asked::Help(early.output)),
        Err(early) => Err(explain(early.output.trim_end(), given)),
    }
}

/// argh's complaint with a hint: the nearest word where one is unknown.
fn explain(complaint: &str, given: &[String]) -> Error {
    let mut what = complaint.replace('\n', " ");
    if let Some(first) = what.get(..1) {
        what = first.to_ascii_lowercase() + &what[1..];
    }
    let quoted = what.strip_prefix("unrecognized argument: ").map(|w| w.trim_matches('"'));
    let Some(unknown) = quoted.map(str::to_owned) else {
        let what = clip(&what, LONGEST_COMPLAINT);
        return Error::usage(what, help_hint(&Place::after(given)));
    };
    // The place is the one in front of the unknown word.
    let before = given.iter().position(|w| *w == unknown).unwrap_or(given.len());
    let place = Place::after(&given[..before]);
    let near = if unknown.starts_with('-') {
        suggest::nearest(&unknown, place.options())
    } else {
        suggest::nearest(&unknown, place.next_verbs())
    };
    let help = help_hint(&place);
    let hint = near.map_or(help.clone(), |near| format!("did you mean '{near}'? {help}"));
    if place.expects_verb() && !unknown.starts_with('-') {
        let verb = [place.verbs.join(" "), unknown].join(" ");
        what = format!("there is no verb '{}'", verb.trim());
    }
    Error::usage(clip(&what, LONGEST_COMPLAINT), hint)
}

fn help_hint(place: &Place) -> String {
    format!("'{}' tells more", [&["pkgctl", "help"], place.verbs.as_slice()].concat().join(" "))
}

/// Tells of an error: what failed, then what to do.
fn report(error: &Error, json: bool, terminal: Terminal, out: &mut dyn Write) -> Exit {
    let exit = error.exit();
    // When the reader of our output is gone there is nobody to tell, and Ctrl-C needs no words.
    if matches!(error, Error::Output(_)) && exit == Exit::Interrupted {
        return exit;
    }
    let text = if json {
        json::error(error) + "\n"
    } else {
        let mut text = labelled_lines("pkgctl: ", &error.to_string(), terminal.width);
        if !error.hint().is_empty() {
            text.push_str(&labelled("hint: ", error.hint(), terminal.width));
        }
        text
    };
    // A failed write of an error has no one left to be reported to; the exit status still tells.
    let _ = if json {
        out.write_all(text.as_bytes())
    } else {
        std::io::stderr().write_all(text.as_bytes())
    };
    exit
}
