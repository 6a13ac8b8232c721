//! Package files that somebody has at hand, taken into the machine's own repository.

use std::fs;
use std::path::{Path, PathBuf};

use minos_model::PackageManifest;
use minos_proto::{ErrorReport, Field, Sheet};

use super::found::{self, is_native};
use crate::system::errors::{invalid, on_file, on_named};
use crate::system::{Asked, files};

impl Asked<'_> {
    /// Copies package files into the repository `local`. From there they are packages as all others: to be installed
    /// with what they need, and there when they are needed again.
    pub(in crate::system) fn take(&self, paths: &[String]) -> Result<Sheet, ErrorReport> {
        let _changing = self.packages.changing()?;
        self.audit(format!("take {}", paths.join(" ")))?;
        let folder = self.packages.repositories.local();
        files::folder(folder)?;
        let mut rows = Vec::new();
        for (done, path) in (0u64..).zip(paths) {
            self.progress("checking", Some(path.clone()), done, paths.len() as u64);
            let manifest = self.take_one(path.as_ref(), folder)?;
            let (name, version) = (manifest.name.to_string(), manifest.version.with_release());
            rows.push(vec![name.into(), version.into(), Field::from(path.clone())]);
        }
        self.packages.repositories.sync(&self.look(false)?)?;
        let sheet = Sheet::new("taken").fact("repository", folder.display().to_string());
        Ok(sheet.grid("packages", &["package", "version", "file"], rows))
    }

    /// What is looked at is the copy: nobody else can change that between the look and its use.
    fn take_one(&self, path: &Path, folder: &Path) -> Result<PackageManifest, ErrorReport> {
        let refused = |why: String| {
            invalid(
                format!("'{}' cannot be installed: {why}", path.display()),
                "'pkgctl inspect FILE' shows what it is and who signed it",
            )
        };
        if !path.is_absolute() {
            return Err(refused("it is not named absolutely".to_owned()));
        }
        if !path.metadata().map_err(|e| on_named("read", path, &e))?.is_file() {
            return Err(refused("it is no regular file".to_owned()));
        }
        let next: PathBuf = folder.join(".next");
        fs::copy(path, &next).map_err(|e| on_file("copy", path, &e))?;
        let placed = found::open(&next, &self.packages.keys.load()?)
            .map(|checked| checked.manifest().clone())
            .and_then(|manifest| match is_native(manifest.arch.as_str()) {
                true => Ok(manifest),
                false => Err(format!("it is for another machine ({})", manifest.arch)),
            })
            .map_err(refused)
            .and_then(|manifest| {
                files::place(&next, &folder.join(manifest.file_name())).map(|()| manifest)
            });
        if placed.is_err() {
            let _ = fs::remove_file(&next);
        }
        placed
    }
}
