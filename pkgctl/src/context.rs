//! What a verb works with: the way to pkgd and the way to the person.

use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use minos_proto::{Reply, Request};

use crate::client::{Client, Endpoint};
use crate::error::Error;
use crate::render::text::width;
use crate::render::{View, json};
use crate::sys::{self, Wait};

/// Columns assumed where nothing tells.
pub const DEFAULT_WIDTH: usize = 80;
/// The status line is drawn at most this often.
const REDRAW: Duration = Duration::from_secs(1);
/// How often a lost pkgd is looked for.
const KNOCK: Duration = Duration::from_millis(300);
/// How long the shell waits for a pkgd that is being restarted.
const RESTART: Duration = Duration::from_secs(5);

/// What the output side can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Columns.
    pub width: usize,
    /// Colours are wanted and understood.
    pub color: bool,
    /// Standard output is a terminal: a line may be drawn again in place.
    pub live: bool,
    /// Somebody sits there: standard input is a terminal as well.
    pub interactive: bool,
}

impl Terminal {
    /// Looks at standard input and output, `TERM` and `NO_COLOR` (<https://no-color.org>).
    pub fn of_process() -> Self {
        let live = io::stdout().is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        Self {
            width: sys::terminal_size(io::stdout()).map_or(DEFAULT_WIDTH, |(columns, _)| columns),
            color: live && !dumb && !set("NO_COLOR"),
            live,
            interactive: sys::is_interactive(),
        }
    }
}

/// Turns a reply into text; `None` for a reply that does not fit the request. A trait object, since
/// a copy of the asking code in every verb costs kilobytes.
pub type Render<'r> = &'r dyn Fn(&Reply, View) -> Option<String>;

/// Everything a verb needs.
pub struct Context<'a> {
    /// Where pkgd is.
    pub endpoint: Endpoint,
    /// The longest silence taken from it.
    pub patience: Duration,
    /// Answers are JSON.
    pub json: bool,
    /// The verb was typed at our own prompt.
    pub in_shell: bool,
    terminal: Terminal,
    out: &'a mut dyn Write,
    status: StatusLine,
}

/// The line that is drawn again in place.
#[derive(Debug, Default)]
struct StatusLine {
    shown: String,
    wanted: String,
    drawn: Option<Instant>,
}

impl<'a> Context<'a> {
    /// A context that writes to `out`.
    pub fn new(
        endpoint: Endpoint,
        patience: Duration,
        json: bool,
        terminal: Terminal,
        out: &'a mut dyn Write,
    ) -> Self {
        let status = StatusLine::default();
        Self { endpoint, patience, json, in_shell: false, terminal, out, status }
    }

    /// How to render.
    pub fn view(&self) -> View {
        View { width: self.terminal.width, color: self.terminal.color }
    }

    /// What the output side can do.
    pub fn terminal(&self) -> Terminal {
        self.terminal
    }

    /// The shell measured its line.
    pub fn set_width(&mut self, columns: usize) {
        self.terminal.width = columns;
    }

    /// Where output goes.
    pub fn out(&mut self) -> &mut dyn Write {
        self.out
    }

    /// The command with the options that lead to this pkgd, for hints that can be typed as they stand.
    pub fn command(&self) -> String {
        format!("pkgctl{}", self.endpoint.as_options())
    }

    /// Connects to pkgd. The shell waits a moment for one that is just being restarted.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect(&self) -> Result<Client, Error> {
        let wait = if self.in_shell { RESTART.min(self.patience) } else { Duration::ZERO };
        self.connect_within(wait)
    }

    /// Connects to pkgd, trying again for `time` while it cannot be reached.
    ///
    /// # Errors
    /// As [`Client::connect`]; [`Error::Interrupted`] on Ctrl-C.
    pub fn connect_within(&self, time: Duration) -> Result<Client, Error> {
        let end = Instant::now() + time;
        loop {
            match Client::connect(&self.endpoint, self.patience) {
                Err(Error::Unreachable { .. }) if Instant::now() + KNOCK < end => {
                    if sys::pause(KNOCK) == Wait::Interrupted {
                        return Err(Error::Interrupted);
                    }
                }
                done => return done,
            }
        }
    }

    /// Asks one thing and shows the answer: as JSON, or as `render` makes it.
    ///
    /// # Errors
    /// As [`Client::call`]; [`Error::Output`] when nobody takes the answer.
    pub fn ask(&mut self, request: &Request, render: Render<'_>) -> Result<Reply, Error> {
        let reply = self.connect()?.call(request)?;
        self.show(&reply, render)?;
        Ok(reply)
    }

    /// Shows a reply: as JSON, or as `render` makes it.
    ///
    /// # Errors
    /// [`Error::Protocol`] when `render` says `None`.
    pub fn show(&mut self, reply: &Reply, render: Render<'_>) -> Result<(), Error> {
        let text = render(reply, self.view()).ok_or_else(unexpected)?;
        let text = if self.json { json::lines(reply) } else { text };
        self.print(&text)
    }

    /// Prints text that ends in a newline; a status line gives way to it.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn print(&mut self, text: &str) -> Result<(), Error> {
        self.clear_status()?;
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }

    /// Wants `line` as the status line. It appears at most once a second, and only on a terminal.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn status(&mut self, line: String) -> Result<(), Error> {
        self.status.wanted = line;
        self.draw_status()
    }

    /// Draws the status line when it is time for it.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn draw_status(&mut self) -> Result<(), Error> {
        let status = &mut self.status;
        let due = status.drawn.is_none_or(|at| at.elapsed() >= REDRAW);
        if self.json || !self.terminal.live || !due || status.wanted == status.shown {
            return Ok(());
        }
        // Blanks instead of an escape sequence: a serial line may end at anything.
        let spare = width(&status.shown).saturating_sub(width(&status.wanted));
        write!(self.out, "\r{}{}", status.wanted, " ".repeat(spare))?;
        status.shown.clone_from(&status.wanted);
        status.drawn = Some(Instant::now());
        Ok(self.out.flush()?)
    }

    /// Takes the status line away.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn clear_status(&mut self) -> Result<(), Error> {
        if !self.status.shown.is_empty() {
            // The terminal may have echoed a ^C behind it.
            let room = self.terminal.width.saturating_sub(1);
            let blanks = " ".repeat((width(&self.status.shown) + 2).min(room));
            write!(self.out, "\r{blanks}\r")?;
            self.status.shown.clear();
        }
        Ok(())
    }
}

/// The answer does not fit the request.
pub fn unexpected() -> Error {
    Error::protocol("pkgd answered something that was not asked")
}
