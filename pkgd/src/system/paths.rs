//! Questions about paths: what a package has, and who has a path.

use minos_model::package::FileKind;
use minos_proto::{ErrorReport, Field, Sheet};

use super::Asked;
use super::errors::{not_found, system_error};
use super::look::with_unknown;
use super::universe::View;

impl Asked<'_> {
    /// The files of a package: of the installed one, else of the newest that a repository has.
    pub(super) fn files(&self, text: &str) -> Result<Sheet, ErrorReport> {
        let view = self.view()?;
        let found = self.found(&view, text)?;
        let manifest = self.manifest_of(&view, &found)?;
        let size_of = |path: &[u8]| match manifest.file(path).map(|file| &file.kind) {
            Some(FileKind::Regular { size, .. }) => Field::Bytes(*size),
            _ => Field::None,
        };
        let row = |file: &minos_model::package::PackageFile| {
            let (word, size) = match &file.kind {
                FileKind::Directory => ("folder", Field::None),
                FileKind::Symlink { .. } => ("link", Field::None),
                FileKind::Regular { size, .. } => ("file", Field::Bytes(*size)),
                FileKind::Hardlink { to } => ("file", size_of(to.as_bytes())),
            };
            vec![word.into(), size, format!("/{}", file.path).into()]
        };
        let rows: Vec<_> = manifest.files.iter().map(row).collect();
        let here = found.installed.is_some_and(|i| i.package.digest == found.digest);
        let label = format!("{} {}", manifest.name, manifest.version.with_release());
        Ok(Sheet::new("files")
            .fact("package", label)
            .fact("state", if here { "installed" } else { "not installed" })
            .fact("count", rows.len())
            .grid("files", &["kind", ">size", "path"], rows))
    }

    /// Which packages have these paths: of the installed ones, or of all that the repositories offer.
    pub(super) fn owner(&self, paths: &[String], available: bool) -> Result<Sheet, ErrorReport> {
        let offers = if available { self.offers(paths)? } else { Vec::new() };
        let system = self.system()?;
        let (mut rows, mut unknown) = (Vec::new(), Vec::new());
        for (at, path) in paths.iter().enumerate() {
            let owners: Vec<String> = match offers.get(at) {
                Some(labels) => labels.clone(),
                None => {
                    let owners = system.owners(inside(path)).map_err(|e| system_error(&e))?;
                    owners.iter().map(ToString::to_string).collect()
                }
            };
            if owners.is_empty() {
                unknown.push(unowned(path, available));
                continue;
            }
            rows.push(vec![path.clone().into(), owners.into_iter().map(Field::from).collect()]);
        }
        if let (true, Some(first)) = (rows.is_empty(), unknown.first()) {
            return Err(first.clone());
        }
        let sheet = Sheet::new("owner").grid("paths", &["path", "packages"], rows);
        Ok(with_unknown(sheet, unknown))
    }

    /// For each path the packages of the repositories that have it. No index has paths: each package is asked.
    fn offers(&self, paths: &[String]) -> Result<Vec<Vec<String>>, ErrorReport> {
        let view: View = self.view()?;
        let trust = self.packages.keys.load()?;
        let total = view.known.files.len() as u64;
        let mut found = vec![Vec::new(); paths.len()];
        for (done, (digest, file)) in (0u64..).zip(view.known.files.iter()) {
            // One that is gone or damaged since the last look offers nothing; 'repo sync' tells of it.
            let Ok(checked) = super::found::open(file, &trust) else { continue };
            if checked.id() != *digest {
                continue;
            }
            let manifest = checked.manifest();
            self.progress("checking", Some(manifest.name.to_string()), done, total);
            let label = format!("{} {}", manifest.name, manifest.version.with_release());
            for (path, labels) in paths.iter().zip(&mut found) {
                if manifest.file(inside(path)).is_some() {
                    labels.push(label.clone());
                }
            }
        }
        found.iter_mut().for_each(|labels| labels.sort());
        Ok(found)
    }
}

/// A path as packages have it.
fn inside(path: &str) -> &[u8] {
    path.trim_start_matches('/').trim_end_matches('/').as_bytes()
}

fn unowned(path: &str, available: bool) -> ErrorReport {
    match available {
        true => not_found(
            format!("no package of the repositories has '{path}'"),
            "'pkgctl repo sync' looks at the folders again",
        ),
        false => not_found(
            format!("no installed package has '{path}'"),
            "'pkgctl owner --available' asks the repositories, 'pkgctl verify' tells of files that nobody brought",
        ),
    }
}
