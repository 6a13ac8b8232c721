//! The solver on a universe of Debian's size.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use minos_solve::index::{Entry, Repository, Table, build};
use minos_solve::{Ask, Limits, Request, SolveError, System, Universe, Want, import, solve};

use crate::Done;
use crate::meter::measure;

const RUNS: usize = 21;

/// Makes of a `Packages` file an index and, for pacman, a folder of a sync database.
pub fn universe(packages: &Path, index: &Path, pacman: &Path) -> Done {
    let import = import::packages(&fs::read_to_string(packages)?, 0);
    for entry in &import.entries {
        // A name that cannot be a folder of pacman's; there is none in Debian.
        let folder = pacman.join(format!("{}-{}", entry.name, pacman_version(entry)));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("desc"), describe(entry))?;
    }
    println!("{{\"packages\":{},\"skipped\":{}}}", import.entries.len(), import.skipped.len());
    let main = [Repository { name: "main".to_owned(), priority: 0 }];
    Ok(fs::write(index, build(&main, import.entries)?)?)
}

/// pacman wants `[EPOCH:]VERSION-RELEASE` without further dashes.
fn pacman_version(entry: &Entry) -> String {
    let text = entry.version.to_string();
    if text.contains('-') { text } else { format!("{text}-1") }
}

/// A package for pacman: names only and the first alternative, since pacman has no others. Conflicts are left
/// out, so that its answer is one of the same size.
fn describe(entry: &Entry) -> String {
    let mut text = format!(
        "%FILENAME%\n{name}.pkg.tar.zst\n\n%NAME%\n{name}\n\n%VERSION%\n{version}\n\n%DESC%\n{description}\n\n\
         %CSIZE%\n{size}\n\n%ISIZE%\n{installed}\n\n%SHA256SUM%\n{digest}\n\n%ARCH%\nany\n",
        name = entry.name,
        version = pacman_version(entry),
        description = entry.description,
        size = entry.size,
        installed = entry.installed_size,
        digest = "0".repeat(64),
    );
    let needs = entry.needs.iter().filter_map(|need| need.any.first()).map(|term| &term.target);
    list(&mut text, "DEPENDS", needs);
    list(&mut text, "PROVIDES", entry.provides.iter().map(|provide| &provide.target));
    text
}

fn list<'a>(text: &mut String, title: &str, names: impl Iterator<Item = &'a String>) {
    let mut names = names.peekable();
    if names.peek().is_some() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n%{title}%\n");
        names.for_each(|name| {
            let _ = writeln!(text, "{name}");
        });
    }
}

fn load(index: &Path) -> Done<Universe> {
    let nothing = Table::parse(build(&[], Vec::new())?)?;
    Ok(Universe::new(Arc::new(Table::parse(fs::read(index)?)?), nothing))
}

fn request(names: &[&str]) -> Request {
    Request::of(names.iter().map(|name| Ask::Install(Want::any(name))))
}

/// Loads the index and solves, once, as a process that was just started.
pub fn cold(index: &Path, name: &str) -> Done {
    let system = System::default();
    measure("solve.cold", 1, || {
        Ok(solve(&load(index)?, &system, &request(&[name]), &Limits::default())?.packages.len())
    })
    .map(drop)
}

/// Solves with the index in memory; how many packages come is told beside the time.
pub fn warm(index: &Path, name: &str) -> Done {
    let (universe, system, asked) = (load(index)?, System::default(), request(&[name]));
    let answer =
        measure("solve.warm", RUNS, || Ok(solve(&universe, &system, &asked, &Limits::default())?))?;
    println!("{{\"packages\":{}}}", answer.packages.len());
    Ok(())
}

/// Explains why these packages cannot be installed together.
pub fn explain(index: &Path, names: &[&str]) -> Done {
    let (universe, system, asked) = (load(index)?, System::default(), request(names));
    measure("explain", RUNS, || match solve(&universe, &system, &asked, &Limits::default()) {
        Err(SolveError::Refused(refusal)) => Ok(refusal.to_string()),
        _ => Err("it was not refused".into()),
    })
    .map(drop)
}

/// Searches names and descriptions.
pub fn search(index: &Path, text: &str) -> Done {
    let universe = load(index)?;
    let found = measure("search", RUNS, || Ok(universe.search(text).len()))?;
    println!("{{\"packages\":{found}}}");
    Ok(())
}
