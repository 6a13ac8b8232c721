//! Several things done in one box: this very program runs in there as well, and goes through a list.
//!
//! A box for each of a hundred manuals would cost a hundred times as much, and no shell is to be needed: a root may
//! not have one, and what a shell reads it can misread.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::table::is_allowed;

/// Where the folder of [`prepare`] stands in the box.
pub const FOLDER: &str = "/.minos";
/// This program, as the box sees it.
pub const PROGRAM: &str = "/.minos/trigger";
/// The list of orders.
const ORDERS: &str = "orders";

/// One thing to do in a box.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Order {
    /// Removes what stands in a folder under some names, or names that start as those that end in `*`.
    Clear {
        /// Absolute path of the folder, which need not be there.
        folder: String,
        /// Names of what goes.
        names: Vec<String>,
    },
    /// Runs a program and waits for it.
    Run {
        /// Its absolute path, and its arguments.
        argv: Vec<String>,
    },
}

/// Puts this program and a list of orders into `folder`. A copy: not every file system that this program may
/// stand on (that of an initramfs) can be shown to other users.
///
/// # Errors
/// The files cannot be written.
pub fn prepare(folder: &Path, orders: &[Order]) -> io::Result<()> {
    let bytes = postcard::to_allocvec(orders).map_err(io::Error::other)?;
    fs::write(folder.join(ORDERS), bytes)?;
    let program = folder.join(Path::new(PROGRAM).file_name().unwrap_or_default());
    fs::copy("/proc/self/exe", &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o555))
}

/// Goes through the list and does not return, if this process was started in a box to do so; otherwise does
/// nothing. To be called before anything else in `main`.
pub fn run_if_batch() {
    if std::env::args_os().next().is_some_and(|name| name == PROGRAM) {
        let code = match read_orders().and_then(|orders| carry_out(&orders)) {
            Ok(()) => 0,
            Err(what) => {
                eprintln!("{what}");
                1
            }
        };
        leave(code);
    }
}

#[allow(clippy::exit)] // a program of a box has no caller to return to
fn leave(code: i32) -> ! {
    std::process::exit(code)
}

fn read_orders() -> Result<Vec<Order>, String> {
    let path = Path::new(FOLDER).join(ORDERS);
    let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    postcard::from_bytes(&bytes).map_err(|e| format!("{}: {e}", path.display()))
}

fn carry_out(orders: &[Order]) -> Result<(), String> {
    orders.iter().try_for_each(|order| match order {
        Order::Clear { folder, names } => {
            clear(Path::new(folder), names).map_err(|e| format!("{folder}: {e}"))
        }
        Order::Run { argv } => run(argv),
    })
}

fn clear(folder: &Path, names: &[String]) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name: &OsStr = &entry.file_name();
        if !is_allowed(name.as_bytes(), names.iter().map(String::as_str)) {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

fn run(argv: &[String]) -> Result<(), String> {
    let Some((program, args)) = argv.split_first() else { return Ok(()) };
    match Command::new(program).args(args).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{}: {status}", argv.join(" "))),
        Err(e) => Err(format!("{program} could not be started: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Order, carry_out};

    fn run(words: &[&str]) -> Order {
        Order::Run { argv: words.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn what_is_named_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["dir", "dir.old", "made.a", "kept"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir_all(folder.path().join("made.b/c")).unwrap();
        let names = ["dir", "made.*"].map(str::to_owned).to_vec();
        let clear = |path: &str| Order::Clear { folder: path.to_owned(), names: names.clone() };
        carry_out(&[clear(folder.path().to_str().unwrap()), clear("/nowhere")]).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["dir.old", "kept"]);
    }

    #[test]
    fn the_first_that_fails_ends_it_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let orders = [
            run(&["/bin/true"]),
            run(&["/bin/false", "x"]),
            run(&["/bin/touch", mark.to_str().unwrap()]),
        ];
        let why = carry_out(&orders).unwrap_err();
        assert!(why.contains("/bin/false x: exit status: 1"), "{why}");
        assert!(!mark.exists());
        assert!(carry_out(&[run(&["/no/program"])]).unwrap_err().contains("could not be started"));
    }
}
