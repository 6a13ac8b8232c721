//! What a look at the folders of repositories finds: packages, and what is refused and why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use minos_model::package::Arch;
use minos_package::keys::TrustStore;
use minos_package::repository::{self, Listed};
use minos_package::{Checked, Policy};
use minos_proto::ErrorReport;
use minos_solve::index::Entry;

use super::fetched::Online;
use super::places::Place;
use super::published::{Floors, Look};
use super::{Held, LOCAL, THRESHOLD};
use crate::system::files;

/// Packages of a repository that are for another machine: neither faults nor offers.
#[derive(Debug, Default)]
struct Foreign {
    repository: String,
    count: usize,
    machines: BTreeSet<String>,
}

/// Whether a package of this architecture is for the machine that pkgd runs on.
pub fn is_native(arch: &str) -> bool {
    // The names of `uname -m`, as the packer has them, are Rust's own for the machines that pkgd is built for.
    arch == Arch::NOARCH || arch == std::env::consts::ARCH
}

/// What a look at all folders found.
#[derive(Debug, Default)]
pub struct Found {
    /// For the index of the solver.
    pub entries: Vec<Entry>,
    /// Which file each package is.
    pub held: Vec<Held>,
    /// Packages of each repository.
    pub counts: Vec<usize>,
    /// What there is to say of repositories that are used.
    pub notes: Vec<String>,
    /// Packages for another machine, of each repository.
    foreign: Vec<Foreign>,
    /// Files that are no packages, or not to be trusted, each with the reason.
    refused: Vec<(PathBuf, String)>,
}

impl Found {
    /// Looks at one repository, the one of this number in the index.
    ///
    /// # Errors
    /// The folder of what this machine packs cannot be read. That of any other is told, and the others are offered.
    pub fn look_at(
        &mut self,
        number: u32,
        place: &Place,
        look: &Look,
        floors: &mut Floors,
        mut online: Option<&mut Online<'_>>,
    ) -> Result<(), ErrorReport> {
        if let Some(online) = online.as_mut().filter(|_| !place.urls.is_empty())
            && let Err(why) = online.index(place)
        {
            let before = "what it had when it was fetched last is offered";
            self.refuse(place.shown().into(), format!("{why}. {before}"));
        }
        let names = match files::names(&place.path) {
            Err(report) if place.name == LOCAL => return Err(report),
            Err(report) => {
                self.refuse(place.path.clone(), report.what);
                return Ok(());
            }
            Ok(names) => names,
        };
        // One that is on another disk, or was fetched and swept away, is not one that has nothing any more.
        if place.name != LOCAL && !place.path.is_dir() {
            let why = if place.urls.is_empty() { gone(&place.name) } else { never(&place.name) };
            self.refuse(place.shown().into(), why);
            return Ok(());
        }
        let names = names.iter().filter(|name| name.ends_with(".mpk")).map(String::as_str);
        // What this machine packs changes with each package, and nobody else offers it.
        let published = match place.name.as_str() {
            LOCAL => Ok(None),
            name => floors.look(name, &place.path, look),
        };
        match published {
            Err(why) => self.refuse(place.path.join(repository::FILE), why),
            Ok(None) if !place.urls.is_empty() => {
                self.refuse(place.shown().into(), never(&place.name));
            }
            Ok(None) => names.for_each(|name| self.take(number, place, name, None, look)),
            Ok(Some(published)) => {
                let note = published.note.map(|note| format!("repository {}: {note}", place.name));
                self.notes.extend(note);
                let packages = &published.repository.packages;
                match online.filter(|_| !place.urls.is_empty()) {
                    Some(online) => self.take_fetched(number, place, packages, look, online),
                    None => self.take_listed(number, place, names, packages, look),
                }
            }
        }
        Ok(())
    }

    /// Takes what the index names, and tells what it does not name.
    fn take_listed<'a>(
        &mut self,
        number: u32,
        place: &Place,
        there: impl Iterator<Item = &'a str>,
        packages: &[Listed],
        look: &Look,
    ) {
        let listed: BTreeMap<&str, &Listed> =
            packages.iter().map(|listed| (listed.file.as_str(), listed)).collect();
        for name in there.filter(|name| !listed.contains_key(name)) {
            self.refuse(
                place.path.join(name),
                "the repository's index does not have it".to_owned(),
            );
        }
        for (name, listed) in listed {
            self.take(number, place, name, Some(listed), look);
        }
    }

    /// Takes what the index names once it was fetched; each that was not is told with the reason.
    fn take_fetched(
        &mut self,
        number: u32,
        place: &Place,
        packages: &[Listed],
        look: &Look,
        online: &mut Online<'_>,
    ) {
        let missing = online.heads(place, packages, &look.trust);
        for listed in packages {
            match missing.get(&listed.file) {
                Some(why) => self.refuse(place.path.join(&listed.file), why.clone()),
                None => self.take(number, place, &listed.file, Some(listed), look),
            }
        }
    }

    fn take(
        &mut self,
        number: u32,
        place: &Place,
        name: &str,
        listed: Option<&Listed>,
        look: &Look,
    ) {
        let path = place.path.join(name);
        let reader = match open(&path, &look.trust) {
            Ok(reader) => reader,
            Err(why) => return self.refuse(path, why),
        };
        let (id, size) = (reader.id(), path.metadata().map_or(0, |meta| meta.len()));
        if listed.is_some_and(|listed| listed.id != id || listed.size != size) {
            let why = "it is not the package that the repository's index names: fetch both again";
            return self.refuse(path, why.to_owned());
        }
        let arch = reader.manifest().arch.as_str();
        if !is_native(arch) {
            return self.pass_over(place, arch);
        }
        self.entries.push(minos_solve::entry(reader.manifest(), number, id, size));
        self.held.push(Held { id, path });
    }

    /// Counts a package for another machine. A folder may well serve several.
    fn pass_over(&mut self, place: &Place, arch: &str) {
        if self.foreign.last().is_none_or(|last| last.repository != place.name) {
            let repository = place.name.clone();
            self.foreign.push(Foreign { repository, ..Foreign::default() });
        }
        if let Some(foreign) = self.foreign.last_mut() {
            foreign.count += 1;
            foreign.machines.insert(arch.to_owned());
        }
    }

    fn refuse(&mut self, path: PathBuf, why: String) {
        self.refused.push((path, why));
    }

    /// What was passed over as being for another machine, for people.
    pub fn passed_over(&self) -> Vec<String> {
        let line = |Foreign { repository, count, machines }: &Foreign| {
            let machines: Vec<&str> = machines.iter().map(String::as_str).collect();
            let (what, here) = (plural(*count), std::env::consts::ARCH);
            format!(
                "repository {repository}: {what} for another machine ({}) and not offered; this one is {here}",
                machines.join(", ")
            )
        };
        self.foreign.iter().map(line).collect()
    }

    /// Whether anything was refused.
    pub fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// What was refused, for people: a line for each reason.
    pub fn refusals(&self) -> Vec<String> {
        let mut reasons: Vec<(&str, Vec<&Path>)> = Vec::new();
        for (path, why) in &self.refused {
            match reasons.iter_mut().find(|(reason, _)| reason == why) {
                Some((_, paths)) => paths.push(path),
                None => reasons.push((why, vec![path])),
            }
        }
        reasons.into_iter().map(|(why, paths)| refusal(why, &paths)).collect()
    }
}

/// Paths that are named of those with the same reason.
const EXAMPLES: usize = 3;

/// That these were refused, and why.
fn refusal(why: &str, paths: &[&Path]) -> String {
    let named: Vec<String> =
        paths.iter().take(EXAMPLES).map(|path| path.display().to_string()).collect();
    match paths.len() {
        0 | 1 => format!("{}: {why}", named.concat()),
        count if count <= EXAMPLES => format!("{count} files: {why} ({})", named.join(", ")),
        count => {
            let more = count - EXAMPLES;
            format!("{count} files: {why} ({} and {more} more)", named.join(", "))
        }
    }
}

/// That the folder of a repository is not there.
fn gone(repository: &str) -> String {
    format!(
        "the folder is not there: nothing of the repository {repository} is offered. Mount it or bring it back, or \
         'pkgctl repo remove {repository}'"
    )
}

/// That nothing of a repository was ever fetched.
fn never(repository: &str) -> String {
    format!(
        "it was not fetched yet: nothing of the repository {repository} is offered. 'pkgctl repo sync' fetches it"
    )
}

fn plural(count: usize) -> String {
    if count == 1 { "1 package is".to_owned() } else { format!("{count} packages are") }
}

/// Opens a package file and checks it up to its manifest; a link in its place is refused.
///
/// # Errors
/// Why it cannot be used, in words.
pub fn open(path: &Path, trust: &TrustStore) -> Result<Checked, String> {
    let policy = Policy::Signed { trust, threshold: THRESHOLD };
    Ok(minos_unpack::open(path, &policy)?.1)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::Found;

    /// A folder of a publisher that is not trusted any more was a screen for each of its packages.
    #[test]
    fn files_that_are_refused_for_the_same_reason_are_one_line() {
        let mut found = Found::default();
        for (name, why) in [("a", "no key"), ("b", "cut off"), ("c", "no key"), ("d", "no key")] {
            found.refuse(PathBuf::from(name), why.to_owned());
        }
        assert_eq!(found.refusals(), ["3 files: no key (a, c, d)", "b: cut off"]);
        found.refuse(PathBuf::from("e"), "no key".to_owned());
        assert_eq!(found.refusals()[0], "4 files: no key (a, c, d and 1 more)");
    }
}
