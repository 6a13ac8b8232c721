//! Whether the installed files are as their packages say, and putting them back.

use std::path::PathBuf;

use minos_model::Name;
use minos_proto::{ErrorKind, ErrorReport, Field, Sheet};
use minos_store::{Depth, Fault, Finding, Verified};

use super::look;
use crate::system::Asked;
use crate::system::change::contents::Contents;
use crate::system::errors::{invalid, not_found, system_error};

impl Asked<'_> {
    pub(in crate::system) fn verify(
        &self,
        names: &[String],
        quick: bool,
        repair: bool,
    ) -> Result<Sheet, ErrorReport> {
        let names = self.all_installed(names)?;
        self.progress("checking", None, 0, 0);
        if repair {
            return self.repair(&names);
        }
        let found = self.system()?.verify_of(&names, depth(quick)).map_err(|e| system_error(&e))?;
        let sheet = self.with_config(verified(found), &names)?;
        if names.is_empty() {
            return Ok(sheet);
        }
        let rebuilt = self.rebuilt(&names);
        let sheet = rebuilt
            .iter()
            .fold(sheet, |sheet, name| sheet.note(format!("{name} is {}", look::rebuilt(name))));
        Ok(sheet.fact("rebuilt", rebuilt.into_iter().collect::<Field>()))
    }

    /// Which of these were built anew since they were installed. Where the repositories cannot be told of, none: that is
    /// no reason not to look at what is installed.
    fn rebuilt(&self, names: &[Name]) -> Vec<String> {
        let Ok(view) = self.view() else { return Vec::new() };
        let universe = &view.universe;
        let named = |name: &str| names.iter().any(|wanted| wanted.to_string() == name);
        let installed = universe.installed().iter();
        let rebuilt =
            installed.filter(|p| named(universe.name(**p)) && view.rebuilt(**p).is_some());
        rebuilt.map(|p| universe.name(*p).to_owned()).collect()
    }

    /// Of the generation that the machine runs: the one on trial is judged by this, whichever was asked for or became
    /// the current one since.
    pub(in crate::system) fn verify_booted(
        &self,
        names: &[String],
        quick: bool,
        repair: bool,
    ) -> Result<Sheet, ErrorReport> {
        if repair || !names.is_empty() {
            let what = "the generation that runs can only be looked at, and as a whole".to_owned();
            return Err(invalid(what, "leave out --booted, or --repair and the names"));
        }
        let none = || {
            ErrorReport::new(
                ErrorKind::Conflict,
                "this machine runs no generation",
                "'pkgctl verify --system' looks at the current one",
            )
        };
        let number = self.packages.machine.booted().ok_or_else(none)?;
        let found = self.system()?.verify_generation(number, depth(quick));
        Ok(verified(found.map_err(|e| system_error(&e))?).fact("generation", number))
    }

    fn repair(&self, names: &[Name]) -> Result<Sheet, ErrorReport> {
        let packages = self.packages;
        let _changing = packages.changing()?;
        let words: Vec<String> = names.iter().map(ToString::to_string).collect();
        let what = if words.is_empty() { "the system".to_owned() } else { words.join(" ") };
        self.audit(format!("repair {what}"))?;
        let known = packages.repositories.known(|| self.look(false))?;
        let tell = |_: u64, _: &str| {};
        let contents = Contents::new(&known, packages.keys.load()?, &tell);
        let done = self.system()?.repair_of(names, Some(&contents));
        let done = done.map_err(|e| system_error(&e))?;
        known.fetched.release(known.files.values().map(PathBuf::as_path));
        let paths = |list: &[Vec<u8>]| list.iter().map(|path| shown(path)).collect::<Field>();
        let lost = done.lost.iter().map(|(path, package)| {
            vec![package.short().to_string().into(), Field::from(shown(path))]
        });
        let mut sheet = Sheet::new("repaired")
            .fact("repaired", paths(&done.repaired))
            .fact("left_alone", paths(&done.extra))
            .fact("edited_beside", paths(&done.aside));
        sheet.alarm = !done.lost.is_empty();
        let verdict = match done.lost.len() {
            0 => format!("{} paths put back", done.repaired.len()),
            n => format!(
                "{} paths put back, {n} lost: no repository has these very packages. 'pkgctl install PACKAGE --reinstall' \
                 takes the one of that version that there is; 'pkgctl list --outdated' shows where there is one",
                done.repaired.len()
            ),
        };
        Ok(sheet.grid("lost", &["package", "path"], lost.collect()).note(verdict))
    }

    /// The names as such, each of them of a package that is installed.
    fn all_installed(&self, names: &[String]) -> Result<Vec<Name>, ErrorReport> {
        let installed = self.installed()?;
        let named = |text: &String| {
            let found = installed.iter().find(|i| i.package.name.to_string() == *text);
            found.map(|i| i.package.name.clone()).ok_or_else(|| {
                not_found(format!("'{text}' is not installed"), "'pkgctl list' shows what is")
            })
        };
        names.iter().map(named).collect()
    }
}

fn depth(quick: bool) -> Depth {
    if quick { Depth::Metadata } else { Depth::Content }
}

/// What was found, as a sheet.
fn verified(found: Verified) -> Sheet {
    // Who makes a file in /etc of the running system does nothing wrong.
    let (added, findings): (Vec<_>, Vec<_>) = found
        .findings
        .into_iter()
        .partition(|f| f.fault == Fault::Extra && f.path.starts_with(b"etc/"));
    let rows: Vec<_> = findings.iter().map(row).collect();
    let edited = found.edited.iter().map(|path| shown(path)).collect::<Field>();
    let mut sheet = Sheet::new("verified-system")
        .fact("paths", found.paths)
        .fact("read", Field::Bytes(found.bytes))
        .fact("edited", edited)
        .fact("added", added.iter().map(|finding| shown(&finding.path)).collect::<Field>());
    sheet.alarm = !rows.is_empty();
    let verdict = match rows.len() {
        0 => "every file is as its package says".to_owned(),
        n => format!(
            "{n} paths are not as they should be; 'pkgctl verify --repair' puts back what it can"
        ),
    };
    sheet.grid("findings", &["fault", "package", "path"], rows).note(verdict)
}

fn row(finding: &Finding) -> Vec<Field> {
    let word = match finding.fault {
        Fault::Missing => "missing",
        Fault::Kind => "kind",
        Fault::Mode => "mode",
        Fault::Owner => "owner",
        Fault::Size => "size",
        Fault::Content => "content",
        Fault::Target => "target",
        Fault::Xattrs => "attributes",
        Fault::Extra => "extra",
    };
    let package = finding.package.as_ref().map(ToString::to_string);
    vec![word.into(), package.into(), shown(&finding.path).into()]
}

fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}
