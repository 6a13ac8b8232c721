//! Holds: packages that stay as they are, or within some versions or a repository.

use minos_proto::{ErrorReport, Field, Sheet};

use crate::service::state_error;
use crate::system::Asked;
use crate::system::errors::{invalid, not_found, system_error};

impl Asked<'_> {
    pub(in crate::system) fn hold(
        &self,
        names: &[String],
        release: bool,
        note: &str,
    ) -> Result<Sheet, ErrorReport> {
        // All of them before the first: one name that is not there changes nothing.
        let mut whats = Vec::new();
        for text in names {
            match release {
                true => whats.extend(self.held_as(text)?),
                false => whats.push(self.known(text)?),
            }
        }
        let system = self.system()?;
        for what in whats {
            let _changing = self.packages.changing()?;
            self.audit(format!("{} {what}", if release { "unhold" } else { "hold" }))?;
            let note = (!release).then_some(note);
            let done = system.restrict(&what, note, self.service.now_ms());
            done.map_err(|e| system_error(&e))?;
        }
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let rows = read.holds().map_err(|e| state_error(&e))?.into_iter();
        let rows =
            rows.map(|(name, row)| vec![name.into(), Field::Time(row.at_ms), row.note.into()]);
        Ok(Sheet::new("holds").grid("holds", &["package", "since", "why"], rows.collect()))
    }

    /// The holds that are meant: all of a name, or the one that is written so.
    fn held_as(&self, text: &str) -> Result<Vec<String>, ErrorReport> {
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let mut holds = read.holds().map_err(|e| state_error(&e))?;
        let exact = restriction(text).unwrap_or_else(|_| text.to_owned());
        holds.retain(|(held, _)| *held == exact || name_of(held) == text);
        if holds.is_empty() {
            return Err(not_found(format!("'{text}' is not held"), "'pkgctl hold' lists what is"));
        }
        Ok(holds.into_iter().map(|(held, _)| held).collect())
    }

    /// What is to be held, as it is kept. Its package is installed or offered and its repository is there: a hold of a
    /// name that nobody has would keep nothing.
    fn known(&self, text: &str) -> Result<String, ErrorReport> {
        let what = restriction(text)?;
        let repository = what.split_once('@').map_or("", |(_, repository)| repository);
        if !repository.is_empty() && !self.packages.repositories.has(repository)? {
            let none = format!("there is no repository '{repository}'");
            return Err(not_found(none, "'pkgctl repo list' shows them"));
        }
        let name = name_of(&what);
        if self.installed()?.iter().any(|installed| installed.package.name.to_string() == name) {
            return Ok(what);
        }
        let universe = self.view()?.universe;
        if !universe.named(name).is_empty() {
            return Ok(what);
        }
        let similar = universe.similar(name, 3);
        let hint = match similar.is_empty() {
            true => "'pkgctl search TEXT' looks for packages".to_owned(),
            false => format!("is it one of: {}?", similar.join(", ")),
        };
        Err(not_found(format!("no package is called '{name}'"), &hint))
    }
}

/// A package's name, or a name with versions or a repository behind it, as it is kept.
fn restriction(text: &str) -> Result<String, ErrorReport> {
    if let Ok(name) = text.parse::<minos_model::Name>() {
        return Ok(name.to_string());
    }
    let bad =
        |e: minos_solve::RequestError| invalid(e.to_string(), "NAME, NAME<2 or NAME@REPOSITORY");
    let pin: minos_solve::Pin = text.parse().map_err(bad)?;
    Ok(pin.to_string())
}

/// The package that a kept hold is of, also of one that nobody would write today (`foo@`).
fn name_of(held: &str) -> &str {
    held.split(|c: char| "<>=@".contains(c)).next().unwrap_or_default().trim_end()
}

#[cfg(test)]
mod tests {
    use super::{name_of, restriction};

    /// `hold foo@` was taken and kept; `unhold foo` did not know what it belonged to.
    #[test]
    fn a_hold_names_a_package_and_what_it_is_held_to() {
        for (text, kept) in [("foo", "foo"), ("foo <2", "foo<2"), ("foo>=1@site", "foo>=1@site")] {
            assert_eq!(restriction(text).as_deref(), Ok(kept));
            assert_eq!(name_of(kept), "foo");
        }
        assert_eq!(name_of("foo@"), "foo");
        for text in ["foo@", "foo@A b", "foo<", "@site", "foo[gui]"] {
            assert!(restriction(text).is_err(), "{text}");
        }
    }
}
