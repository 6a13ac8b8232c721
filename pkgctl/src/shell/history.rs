//! Lines typed before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

/// Lines kept.
const LINES: usize = 500;
/// The file is cut back to [`LINES`] when it is longer than this, in bytes.
const LONGEST_FILE: u64 = 64 << 10;

/// The lines typed before, oldest first, and the file that keeps them.
#[derive(Debug, Default)]
pub struct History {
    lines: Vec<String>,
    file: Option<PathBuf>,
}

impl History {
    /// The history kept in `file`. Where it cannot be read or written, the history is that of this
    /// run: a convenience must not keep anybody from working.
    pub fn open(file: Option<PathBuf>) -> Self {
        let mut history = Self { lines: Vec::new(), file };
        let Some(path) = &history.file else { return history };
        let mut bytes = Vec::new();
        if let Ok(file) = File::open(path)
            && file.take(LONGEST_FILE * 4).read_to_end(&mut bytes).is_ok()
        {
            let text = String::from_utf8_lossy(&bytes);
            text.lines().for_each(|line| {
                history.remember(line);
            });
        }
        if bytes.len() as u64 > LONGEST_FILE {
            // A failure leaves the long file as it was.
            let _ = history.rewrite();
        }
        history
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Adds a line, unless it is blank or the same as the one before.
    pub fn add(&mut self, line: &str) {
        if self.remember(line) {
            // A full or read-only disk costs the history of this line, nothing else.
            let _ = self.append(line);
        }
    }

    fn remember(&mut self, line: &str) -> bool {
        let line = line.trim();
        let fit = !line.is_empty() && !line.contains(char::is_control);
        let new = fit && self.lines.last().is_none_or(|last| last != line);
        if new {
            self.lines.push(line.to_owned());
            let excess = self.lines.len().saturating_sub(LINES);
            self.lines.drain(..excess);
        }
        new
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        file.write_all(format!("{}\n", line.trim()).as_bytes())
    }

    fn rewrite(&self) -> io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let mut new = path.clone().into_os_string();
        new.push(".new");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all((self.lines.join("\n") + "\n").as_bytes())?;
        fs::rename(&new, path)
    }
}

#[cfg(test)]
mod tests {
    use super::{History, LINES, LONGEST_FILE};

    #[test]
    fn lines_survive_and_repeats_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let mut history = History::open(Some(path.clone()));
        for line in ["status", "status", " ", "plan m4", "status"] {
            history.add(line);
        }
        assert_eq!(History::open(Some(path)).lines(), ["status", "plan m4", "status"]);
    }

    #[test]
    fn a_long_file_is_cut_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let line = |n: usize| format!("build {n:0>100}\n");
        std::fs::write(&path, (0..1000).map(line).collect::<String>()).unwrap();
        let history = History::open(Some(path.clone()));
        assert_eq!(history.lines().len(), LINES);
        assert_eq!(history.lines()[LINES - 1], line(999).trim());
        assert!(std::fs::metadata(&path).unwrap().len() < LONGEST_FILE);
    }

    #[test]
    fn a_bad_place_is_no_error() {
        let mut history = History::open(Some("/proc/nowhere/history".into()));
        history.add("status");
        assert_eq!(history.lines(), ["status"]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        std::fs::write(&path, b"ok\n\xff\x1b[2J\n\0\n").unwrap();
        assert_eq!(History::open(Some(path)).lines(), ["ok"]);
    }
}
