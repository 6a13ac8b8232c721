//! Generations: the list, going from one to another, what differs, what stays, what is collected.

pub(super) mod image;
pub(super) mod mounts;
pub(super) mod seed;
pub(super) mod sysroots;

use minos_proto::{ErrorKind, ErrorReport, Field, Sheet};
use minos_store::{Collected, GenerationRow, Node, PackageChange, Retention, SystemError};

use super::Asked;
use super::change::plans;
use super::errors::{not_found, system_error};
use crate::service::state_error;

/// Generations kept beside those that always are.
const NEWEST: usize = 10;
/// A day, in milliseconds.
const DAY_MS: u64 = 24 * 3600 * 1000;

impl Asked<'_> {
    pub(super) fn generations(&self) -> Result<Sheet, ErrorReport> {
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let current = read.current_generation().map_err(|e| state_error(&e))?;
        let proven = read.last_proven().map_err(|e| state_error(&e))?;
        let machine = &self.packages.machine;
        let (booted, next) = (machine.booted(), machine.pending().map(|next| next.generation));
        // What init has written down since the last change is not in the store yet.
        let proven = machine.record().map(|record| record.fallback).filter(|n| *n > 0).or(proven);
        let failure = self.packages.failure()?;
        let realised = self.system()?.realised().map_err(|e| system_error(&e))?;
        let mut rows = Vec::new();
        for row in read.generations().map_err(|e| state_error(&e))?.into_iter().rev() {
            let marks = read.marks(row.number).map_err(|e| state_error(&e))?;
            let is = |number: Option<u64>| number == Some(row.number);
            let words = [
                (is(current), "current"),
                (is(booted), "booted"),
                (is(next), "boots next"),
                (is(proven), "proven"),
                (is(failure.map(|failure| failure.generation)), "failed"),
                (marks.pinned.is_some(), "pinned"),
                (!realised.contains(&row.number), "to be made again"),
            ];
            let words: Field =
                words.iter().filter(|(yes, _)| *yes).map(|(_, word)| *word).collect();
            rows.push(vec![
                row.number.into(),
                Field::Time(row.created_ms),
                row.members.len().into(),
                words,
                noted(row.note, marks.pinned).into(),
            ]);
        }
        let columns = ["generation", "made", ">packages", "state", "note"];
        let sheet = Sheet::new("generations").fact("current", current);
        let sheet = sheet.grid("generations", &columns, rows);
        Ok(failure.into_iter().fold(sheet, |sheet, failure| sheet.note(failure.to_string())))
    }

    pub(super) fn switch(&self, generation: u64, dry_run: bool) -> Result<Sheet, ErrorReport> {
        if dry_run {
            return self.outlook(&self.row(generation)?);
        }
        let _changing = self.packages.changing()?;
        self.audit(format!("switch to generation {generation}"))?;
        self.progress("switching", None, 0, 0);
        let (note, service) = (format!("switch {generation}"), self.service);
        let done = self.system()?.switch(generation, &note, self.by(), &|| service.now_ms());
        done.map_err(|e| system_error(&e))?;
        self.packages.boot_current(generation)?;
        let sheet = Sheet::new("switched").fact("generation", generation);
        Ok(sheet.note(format!("generation {generation} is current")))
    }

    /// What a switch to a generation would change: packages, and how many paths.
    fn outlook(&self, to: &GenerationRow) -> Result<Sheet, ErrorReport> {
        let (from, to) = (self.current()?.number, to.number);
        let system = self.system()?;
        let changes = system.compare(from, to).map_err(|e| system_error(&e))?;
        let paths = system.compare_files(from, to).map_err(|e| system_error(&e))?;
        let count = |kind: &str| paths.iter().filter(|path| change_word(path) == kind).count();
        let sheet = Sheet::new("switch")
            .fact("from", from)
            .fact("to", to)
            .fact("paths_added", count("added"))
            .fact("paths_changed", count("changed"))
            .fact("paths_removed", count("removed"))
            .grid("packages", &CHANGE_COLUMNS, changes.iter().map(change_row).collect());
        Ok(match from == to {
            true => sheet.note(format!("generation {to} is current already")),
            false => sheet,
        })
    }

    pub(super) fn rollback(&self, steps: u32, dry_run: bool) -> Result<Sheet, ErrorReport> {
        let mut at = self.current()?;
        for _ in 0..steps.max(1) {
            at = self.before(&at)?.ok_or_else(|| {
                let what = format!("generation {} has none before it that is kept", at.number);
                not_found(
                    what,
                    "'pkgctl generations' shows all; 'pkgctl switch N' takes any of them",
                )
            })?;
        }
        self.switch(at.number, dry_run)
    }

    /// The generation that this one was made from; where that is gone, the newest kept one that is older.
    fn before(&self, row: &GenerationRow) -> Result<Option<GenerationRow>, ErrorReport> {
        let Some(parent) = row.parent else { return Ok(None) };
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let older = read.generations().map_err(|e| state_error(&e))?.into_iter();
        Ok(older.filter(|other| other.number <= parent).max_by_key(|other| other.number))
    }

    fn current(&self) -> Result<GenerationRow, ErrorReport> {
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let number = read.current_generation().map_err(|e| state_error(&e))?;
        let none =
            || not_found("nothing is installed yet".to_owned(), "'pkgctl install PACKAGE' does");
        self.row(number.ok_or_else(none)?)
    }

    pub(super) fn row(&self, number: u64) -> Result<GenerationRow, ErrorReport> {
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let row = read.generation(number).map_err(|e| state_error(&e))?;
        let none = || {
            not_found(format!("there is no generation {number}"), "'pkgctl generations' shows all")
        };
        row.ok_or_else(none)
    }

    pub(super) fn diff(
        &self,
        from: Option<u64>,
        to: Option<u64>,
        files: bool,
    ) -> Result<Sheet, ErrorReport> {
        let to = match to {
            Some(number) => self.row(number)?,
            None => self.current()?,
        };
        let none = || not_found(format!("generation {} has none before it", to.number), "name two");
        let from = match from {
            Some(number) => self.row(number)?,
            None => self.before(&to)?.ok_or_else(none)?,
        };
        let system = self.system()?;
        let changes = system.compare(from.number, to.number).map_err(|e| system_error(&e))?;
        let rows = changes.iter().map(change_row).collect();
        let sheet = Sheet::new("diff").fact("from", from.number).fact("to", to.number);
        let sheet = sheet.grid("packages", &CHANGE_COLUMNS, rows);
        if !files {
            return Ok(sheet);
        }
        let paths = system.compare_files(from.number, to.number).map_err(|e| system_error(&e))?;
        let row = |difference: &minos_store::PathDifference| {
            let path = format!("/{}", String::from_utf8_lossy(&difference.path));
            let sizes = [&difference.before, &difference.after].map(|node| size(node.as_ref()));
            let [before, after] = sizes;
            vec![change_word(difference).into(), before, after, path.into()]
        };
        let columns = ["change", ">before", ">after", "path"];
        Ok(sheet.grid("paths", &columns, paths.iter().map(row).collect()))
    }

    pub(super) fn pin(
        &self,
        generation: u64,
        release: bool,
        note: &str,
    ) -> Result<Sheet, ErrorReport> {
        let _changing = self.packages.changing()?;
        let (word, note) = if release { ("unpin", None) } else { ("pin", Some(note)) };
        self.audit(format!("{word} generation {generation}"))?;
        self.system()?.pin(generation, note).map_err(|e| system_error(&e))?;
        self.generations()
    }

    pub(super) fn collect(
        &self,
        dry_run: bool,
        keep: Option<u32>,
        only: Option<u64>,
    ) -> Result<Sheet, ErrorReport> {
        let newest = keep.map_or(NEWEST, |keep| usize::try_from(keep).unwrap_or(NEWEST));
        // Asked for a number, it is the number alone that counts.
        let younger_than_ms = if keep.is_some() { 0 } else { DAY_MS };
        let retention = match only {
            Some(number) => Retention::AllBut(number),
            None => Retention::Policy { newest, younger_than_ms },
        };
        let _changing = if dry_run { None } else { Some(self.packages.changing()?) };
        let (service, never) = (self.service, || false);
        let system = self.system()?;
        let collect = |dry_run| {
            let done = system.collect(retention, dry_run, self.by(), &|| service.now_ms(), &never);
            done.map_err(|e| system_error(&e))
        };
        if let Some(number) = only {
            let read = self.packages.store.read().map_err(|e| state_error(&e))?;
            if read.generation(number).map_err(|e| state_error(&e))?.is_none() {
                return Err(system_error(&SystemError::NoGeneration { number }));
            }
            if !collect(true)?.generations.contains(&number) {
                return Err(stays(number));
            }
        }
        if !dry_run {
            let what =
                only.map_or(format!("keeping {newest}"), |n| format!("generation {n} alone"));
            self.audit(format!("collect, {what}"))?;
            self.collect_sysroots()?;
        }
        Ok(collected(&collect(dry_run)?, dry_run))
    }
}

/// That a generation cannot be taken away.
fn stays(number: u64) -> ErrorReport {
    ErrorReport::new(
        ErrorKind::Conflict,
        format!(
            "generation {number} stays: it is the current one, the last proven one, pinned, or the machine runs or boots it"
        ),
        "'pkgctl generations' shows which; 'switch' to another one or 'unpin' it first",
    )
}

/// What made a generation, and why it is pinned where somebody said so.
fn noted(note: String, pinned: Option<String>) -> String {
    let why = pinned.filter(|why| !why.is_empty()).map(|why| format!("pinned: {why}"));
    match why {
        Some(why) if note.is_empty() => why,
        Some(why) => format!("{note}; {why}"),
        None => note,
    }
}

/// The columns of [`change_row`].
pub(super) const CHANGE_COLUMNS: [&str; 3] = ["package", "before", "after"];

fn change_word(difference: &minos_store::PathDifference) -> &'static str {
    match (&difference.before, &difference.after) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    }
}

/// What became of a package.
pub(super) fn change_row(change: &PackageChange) -> Vec<Field> {
    let version = |v: &Option<minos_model::Version>| v.as_ref().map(|v| v.with_release()).into();
    vec![change.name.to_string().into(), version(&change.from), version(&change.to)]
}

fn size(node: Option<&Node>) -> Field {
    match node {
        Some(Node::File { size, .. }) => Field::Bytes(*size),
        _ => Field::None,
    }
}

fn collected(done: &Collected, dry_run: bool) -> Sheet {
    let number = |list: &[u64]| list.iter().map(|n| Field::from(*n)).collect::<Field>();
    let verb = if dry_run { "would be taken away" } else { "taken away" };
    let what = format!("{} generations and {} files {verb}", done.generations.len(), done.objects);
    let kept =
        done.kept.iter().filter_map(|(number, foreign)| plans::left_behind(foreign, *number));
    let sheet = Sheet::new("collected")
        .fact("dry_run", dry_run)
        .fact("generations", number(&done.generations))
        .fact("roots", number(&done.roots))
        .fact("packages", done.packages)
        .fact("objects", done.objects)
        .fact("bytes", Field::Bytes(done.bytes))
        .note(what);
    kept.map(|what| format!("{what}; its root is kept for that")).fold(sheet, Sheet::note)
}

#[cfg(test)]
mod tests {
    use super::noted;

    /// `pin 5 --note TEXT` kept the text, and nothing ever showed it.
    #[test]
    fn why_a_generation_is_pinned_is_told() {
        let told = |note: &str, why: Option<&str>| noted(note.to_owned(), why.map(str::to_owned));
        assert_eq!(told("install a", Some("for Ann")), "install a; pinned: for Ann");
        assert_eq!(told("", Some("for Ann")), "pinned: for Ann");
        assert_eq!(told("install a", Some("")), "install a");
        assert_eq!(told("install a", None), "install a");
    }
}
