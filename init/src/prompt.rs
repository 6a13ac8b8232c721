//! The rescue prompt at work: opens the terminal, takes what is typed, does what is asked.

use core::fmt::Write as _;

use heapless::String;

use crate::bootrec::Reason;
use crate::cmdline::LogLevel;
use crate::console::LINE;
use crate::kernel::{Errno, Open, Sys};
use crate::machine::{End, Event, Why, Wish};
use crate::mounts::for_each_line;
use crate::rescue::{Command, HELP, HELP_MORE, PROMPT};
use crate::runtime::{Prompt, Runtime};

impl<S: Sys> Runtime<S> {
    pub(crate) fn open_rescue(&mut self, why: Why) {
        self.say(LogLevel::Quiet, format_args!("RESCUE: {why}"));
        if let Some(target) = self.options.build.clone() {
            self.say(LogLevel::Quiet, format_args!("the build of {target} is not running"));
        }
        if why.reason() != Reason::InProgress {
            self.note(why.reason());
        }
        self.close_prompt();
        self.prompt = Some(Prompt::default());
        self.open_input();
        self.show_time_left();
        self.show("type help for a list of words\n");
        self.show(PROMPT);
    }

    /// Opens the terminal for reading, or opens it again.
    fn open_input(&mut self) {
        let terminal = self.terminal.clone();
        let new = self.checked(&terminal, |sys| sys.open(&terminal, Open::ReadWrite));
        if let Some(fd) = new {
            // Not a terminal (a file in a test): then there is nothing to repair.
            let _ = self.sys.sane_terminal(fd);
        }
        let Some(prompt) = &mut self.prompt else { return };
        if let Some(old) = core::mem::replace(&mut prompt.fd, new) {
            self.sys.close(old);
        }
    }

    fn show_time_left(&mut self) {
        let now = self.sys.now_ms();
        if let Some(until) = self.machine.deadline() {
            let seconds = until.saturating_sub(now) / 1000;
            self.say(LogLevel::Quiet, format_args!("time-out in {seconds} s without an answer"));
        }
    }

    pub(crate) fn close_rescue(&mut self) {
        self.close_prompt();
        self.note(Reason::InProgress);
    }

    fn close_prompt(&mut self) {
        if let Some(Prompt { fd: Some(fd), .. }) = self.prompt.take() {
            self.sys.close(fd);
        }
    }

    fn show(&mut self, text: &str) {
        let now = self.sys.now_ms();
        self.journal.prompt(now, text);
    }

    /// Takes what was typed.
    pub(crate) fn take_typing(&mut self) {
        let Some(Prompt { fd: Some(fd), shell: None, .. }) = self.prompt else { return };
        let mut block = [0; 128];
        let n = match self.sys.read(fd, &mut block) {
            Ok(0) | Err(Errno::EIO) => return self.hung_up(),
            Ok(n) => n,
            Err(_) => return,
        };
        for byte in block.get(..n).unwrap_or_default() {
            // A command may have closed the prompt, or given the terminal to a shell.
            let Some(prompt) = self.prompt.as_mut().filter(|p| p.shell.is_none()) else { return };
            if let Some(command) = prompt.input.push(*byte) {
                self.obey(command);
            }
        }
    }

    /// The end of a session leader hangs its terminal up: of the console that was killed to make
    /// room for this prompt, or of the shell. All descriptors are dead then, ours too.
    fn hung_up(&mut self) {
        self.open_input();
        // Where the end of input is not a hang-up (a file), this must not become a busy loop.
        self.sys.sleep_ms(50);
    }

    fn obey(&mut self, command: Command) {
        self.feed(Event::Wish(Wish::Stay));
        match command {
            Command::Empty => {}
            Command::Help => {
                self.show(HELP);
                self.show(HELP_MORE);
            }
            Command::Log => self.journal.replay(),
            Command::Mounts => self.show_mounts(),
            Command::Retry => return self.feed(Event::Wish(Wish::Retry)),
            Command::Volatile => return self.feed(Event::Wish(Wish::Volatile)),
            Command::Shell => return self.open_shell(),
            Command::PowerOff => return self.feed(Event::Wish(Wish::End(End::PowerOff))),
            Command::Reboot => return self.feed(Event::Wish(Wish::End(End::Reboot))),
            Command::Unknown => self.show("not a word of this prompt; type help\n"),
        }
        // A replay ends with everything the ring holds; the prompt has to come after it.
        self.journal.flush(&mut self.sys);
        self.show(PROMPT);
    }

    fn show_mounts(&mut self) {
        let now = self.sys.now_ms();
        let journal = &mut self.journal;
        let done = for_each_line(&mut self.sys, "/proc/self/mounts", &mut |line| {
            let mut words = line.split(' ');
            if let (Some(source), Some(target), Some(fstype)) =
                (words.next(), words.next(), words.next())
            {
                let mut text: String<LINE> = String::new();
                // A line that is too long loses its end.
                let _ = writeln!(text, "{target} {fstype} {source}");
                journal.prompt(now, &text);
            }
        });
        if let Err(e) = done {
            self.say(LogLevel::Quiet, format_args!("/proc/self/mounts: {e}"));
        }
    }

    fn open_shell(&mut self) {
        match self.start_shell() {
            Some(pid) => {
                if let Some(prompt) = &mut self.prompt {
                    prompt.shell = Some(pid);
                }
                self.feed(Event::Wish(Wish::StayForShell));
            }
            None => self.show(PROMPT),
        }
    }

    /// A process ended that is no service and no helper: the prompt's shell, or an orphan.
    pub(crate) fn shell_ended(&mut self, pid: u32) {
        let Some(prompt) = &mut self.prompt else { return };
        if prompt.shell.take_if(|s| *s == pid).is_none() {
            return;
        }
        self.open_input();
        self.feed(Event::Wish(Wish::Stay));
        self.show(PROMPT);
    }
}
