//! The prompt on the console: made for a serial line, fit for any terminal.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use minos_proto::{Field, PackageRequest, Reply, Request};

use crate::context::{Context, DEFAULT_WIDTH};
use crate::error::Error;
use crate::exit::Exit;
use crate::render::status::banner;
use crate::render::text::labelled;
use crate::{cli, sys, words};

pub mod complete;
pub mod console;
pub mod editor;
pub mod history;
pub mod key;
pub mod paint;

use complete::{Names, complete};
use console::Console;
use editor::{Editor, Outcome};
use history::History;
use paint::Row;

/// The prompt.
const PROMPT: &str = "minos> ";
/// More candidates than this are counted, not listed.
const MOST_LISTED: usize = 100;
/// A prompt must not hang on Tab when pkgd is busy.
const TAB_PATIENCE: Duration = Duration::from_secs(2);
/// Names the file that keeps the history; empty for none.
const HISTORY_VARIABLE: &str = "PKGCTL_HISTORY";
/// The disk that outlives a boot of the appliance.
const STATE: &str = "/state";

/// Runs the shell until it is left.
///
/// # Errors
/// [`Error::Output`] when the terminal fails.
pub fn run(mut context: Context<'_>) -> Result<Exit, Error> {
    context.in_shell = true;
    let history = History::open(history_file());
    let mut shell = Shell { context, console: Console::default(), history, measured: None };
    shell.measure()?;
    shell.greet()?;
    loop {
        shell.refresh_width();
        match shell.read_line()? {
            Input::Line(line) => {
                shell.history.add(&line);
                if shell.execute(&line)? == Next::Leave {
                    return Ok(Exit::Ok);
                }
            }
            Input::Nothing => {}
            Input::End => return Ok(Exit::Ok),
        }
    }
}

struct Shell<'a> {
    context: Context<'a>,
    console: Console,
    history: History,
    measured: Option<usize>,
}

/// What came from the prompt.
enum Input {
    Line(String),
    Nothing,
    End,
}

#[derive(PartialEq, Eq)]
enum Next {
    Stay,
    Leave,
}

impl Shell<'_> {
    /// Asks a terminal of unknown size how wide it is: a serial line has no other way to tell.
    fn measure(&mut self) -> Result<(), Error> {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if dumb || sys::terminal_size(io::stdout()).is_some() {
            return Ok(());
        }
        let _raw = sys::RawMode::enter()?;
        self.measured = self.console.measure(self.context.out())?;
        Ok(())
    }

    /// A terminal that knows its size may have been resized; one that was measured stays as it was.
    fn refresh_width(&mut self) {
        let known = sys::terminal_size(io::stdout()).map(|(columns, _)| columns);
        self.context.set_width(known.or(self.measured).unwrap_or(DEFAULT_WIDTH));
    }

    fn greet(&mut self) -> Result<(), Error> {
        self.refresh_width();
        let text = match self.look() {
            Ok((status, active)) => {
                let active = active.as_ref().map(|(id, target)| (*id, target.as_str()));
                banner(&status, active, self.context.view())
            }
            Err(e) => {
                let text = format!("MinOS {}; no answer yet: {e}", env!("CARGO_PKG_VERSION"));
                labelled("", &text, self.context.view().width)
            }
        };
        self.context.print(&text)?;
        let advice = "Type 'help' for the verbs, Tab completes.";
        self.context.print(&labelled("", advice, self.context.view().width))
    }

    fn look(&self) -> Result<(minos_proto::Status, Option<(u64, String)>), Error> {
        let mut client = self.context.connect()?;
        let Reply::Status(status) = client.call(&Request::Status)? else {
            return Err(crate::context::unexpected());
        };
        let active = match client.call(&Request::Jobs { limit: 20 })? {
            Reply::Jobs(jobs) => jobs.into_iter().find(|j| !j.state.is_final()),
            _ => None,
        };
        Ok((status, active.map(|j| (j.id, j.target))))
    }

    /// Reads one line. The terminal is raw only here: a command runs with Ctrl-C as a signal.
    fn read_line(&mut self) -> Result<Input, Error> {
        let _raw = sys::RawMode::enter()?;
        let mut editor = Editor::default();
        let mut row = Row::default();
        loop {
            if !self.console.has_more() {
                row = self.paint(&row, &editor)?;
            }
            let Some(key) = self.console.key()? else { return Ok(Input::End) };
            if let Some(columns) = console::columns(key) {
                self.measured = Some(columns);
                self.refresh_width();
            }
            match editor.key(key, self.history.lines()) {
                Outcome::Edited => {}
                Outcome::Line(line) => {
                    self.finish(&row, &line)?;
                    return Ok(Input::Line(line));
                }
                Outcome::Abandoned => {
                    self.context.print("^C\n")?;
                    return Ok(Input::Nothing);
                }
                Outcome::End => {
                    self.context.print("\n")?;
                    return Ok(Input::End);
                }
                Outcome::ClearScreen => {
                    self.context.print("\x1b[H\x1b[2J")?;
                    row = Row::default();
                }
                Outcome::Complete => {
                    if self.complete(&mut editor)? {
                        row = Row::default();
                    }
                }
            }
        }
    }

    fn paint(&mut self, shown: &Row, editor: &Editor) -> Result<Row, Error> {
        let searching = editor.searching().map(|wanted| format!("search '{wanted}': "));
        let prompt = searching.as_deref().unwrap_or(PROMPT);
        let columns = self.context.view().width;
        let row = Row::new(prompt, &editor.text(), editor.cursor(), columns);
        self.context.print(&shown.change_to(&row))?;
        Ok(row)
    }

    /// The finished line as it stays on the screen: painting may have been put off.
    fn finish(&mut self, shown: &Row, line: &str) -> Result<(), Error> {
        let columns = self.context.view().width;
        let row = Row::new(PROMPT, line, line.chars().count(), columns);
        self.context.print(&(shown.change_to(&row) + "\n"))
    }

    /// Completes the word before the cursor, or lists what it could be; then a new row has begun.
    fn complete(&mut self, editor: &mut Editor) -> Result<bool, Error> {
        let before = editor.before_cursor();
        let completion = complete(&before, &mut Asking(&self.context));
        let word: String = before.chars().skip(completion.start).collect();
        if let Some(replacement) = completion.replacement(&word) {
            editor.replace_word(completion.start, &replacement);
            return Ok(false);
        }
        let text = match completion.candidates.len() {
            // The bell says that there is nothing.
            0 => return self.context.print("\x07").map(|()| false),
            n if n > MOST_LISTED => format!("\n{n} possibilities\n"),
            _ => format!("\n{}", paint::list(&completion.candidates, self.context.view().width)),
        };
        self.context.print(&text)?;
        Ok(true)
    }

    fn execute(&mut self, line: &str) -> Result<Next, Error> {
        sys::forget_interrupt();
        let mut words = match words::split(line) {
            Ok(words) => words,
            Err(e) => {
                self.context.print(&labelled("", &e.to_string(), self.context.view().width))?;
                return Ok(Next::Stay);
            }
        };
        // Hints and manuals say 'pkgctl ...': they can be typed as they stand.
        if words.first().is_some_and(|w| w == "pkgctl") {
            words.remove(0);
        }
        match words.first().map(String::as_str) {
            None => {}
            Some("exit" | "quit") => return Ok(Next::Leave),
            Some("clear") => self.context.print("\x1b[H\x1b[2J")?,
            Some(_) => {
                // The command has told about its own failure; the prompt goes on.
                let _ = cli::run_line(&words, &mut self.context);
            }
        }
        Ok(Next::Stay)
    }
}

/// The names pkgd knows, asked for at once: a cache would show jobs that are long gone.
struct Asking<'s, 'a>(&'s Context<'a>);

impl Asking<'_, '_> {
    fn ask(&self, request: &Request) -> Option<Reply> {
        let patience = self.0.patience.min(TAB_PATIENCE);
        let mut client = crate::client::Client::connect(&self.0.endpoint, patience).ok()?;
        client.call(request).ok()
    }

    fn recipes(&self) -> Vec<minos_proto::RecipeReport> {
        match self.ask(&Request::RecipeList) {
            Some(Reply::Recipes(recipes)) => recipes,
            _ => Vec::new(),
        }
    }
}

impl Names for Asking<'_, '_> {
    fn targets(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        for recipe in self.recipes() {
            all.push(recipe.step.to_string());
            all.push(format!("{}/{}", recipe.stage, recipe.step.name()));
            all.extend(recipe.groups);
        }
        all
    }

    fn steps(&mut self) -> Vec<String> {
        self.recipes().into_iter().map(|r| r.step.to_string()).collect()
    }

    fn jobs(&mut self) -> Vec<String> {
        match self.ask(&Request::Jobs { limit: 20 }) {
            Some(Reply::Jobs(jobs)) => jobs.into_iter().map(|j| j.id.to_string()).collect(),
            _ => Vec::new(),
        }
    }

    fn listed(&mut self, list: &PackageRequest) -> Vec<String> {
        let Some(Reply::Sheet(sheet)) = self.ask(&Request::Package(list.clone())) else {
            return Vec::new();
        };
        let rows = sheet.grids.first().map_or(&[][..], |grid| &grid.rows);
        let first = |row: &Vec<Field>| match row.first() {
            Some(Field::Text(text)) => Some(text.clone()),
            Some(Field::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        rows.iter().filter_map(first).collect()
    }
}

/// What the last word of a line can become, for a shell that is not ours and has no words of its own here.
pub fn candidates(line: &str, context: &Context<'_>) -> Vec<String> {
    let mut found = complete(line, &mut Asking(context)).candidates;
    let is_first = line.trim_start_matches("pkgctl ").split(' ').count() == 1;
    found.retain(|word| !is_first || word == "help" || !complete::BUILTINS.contains(&&**word));
    found
}

/// Where the history is kept: where the user says, else on the appliance's state disk.
fn history_file() -> Option<PathBuf> {
    match std::env::var_os(HISTORY_VARIABLE) {
        Some(path) => (!path.is_empty()).then(|| path.into()),
        None => Path::new(STATE).is_dir().then(|| Path::new(STATE).join(".pkgctl_history")),
    }
}
