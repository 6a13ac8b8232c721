//! Questions about paths: what a package has, and who has a path.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use minos_model::package::FileKind;
use minos_proto::{ErrorReport, Field, Sheet};

use super::look::with_unknown;
use crate::system::Asked;
use crate::system::change::universe::View;
use crate::system::errors::{not_found, system_error};
use crate::system::triggers::maker;

/// No more links are followed than the kernel does: they may lead in circles.
const MOST_LINKS: usize = 40;

impl Asked<'_> {
    /// The files of a package: of the installed one, else of the newest that a repository has.
    pub(in crate::system) fn files(&self, text: &str) -> Result<Sheet, ErrorReport> {
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

    /// Which packages have these paths: of the installed ones, or of all that the repositories offer. Links above a path
    /// are those of the installed system: where `/bin` leads to `usr/bin`, nobody has `/bin/ls`.
    pub(in crate::system) fn owner(
        &self,
        paths: &[String],
        available: bool,
    ) -> Result<Sheet, ErrorReport> {
        let root = self.packages.path("current");
        let places: Vec<Vec<u8>> = paths.iter().map(|path| resolved(&root, inside(path))).collect();
        let offers = if available { self.offers(&places)? } else { Vec::new() };
        let (mut rows, mut unknown, mut led) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (path, place)) in paths.iter().zip(&places).enumerate() {
            let owners = match offers.get(at) {
                Some(labels) => labels.clone(),
                None => self.owners(&root, place)?,
            };
            if owners.is_empty() {
                unknown.push(unowned(path, available));
                continue;
            }
            let shown = format!("/{}", String::from_utf8_lossy(place));
            if place != inside(path) {
                led.push(format!("{path} is {shown}: a folder above it is a link"));
            }
            rows.push(vec![shown.into(), owners.into_iter().map(Field::from).collect()]);
        }
        if let (true, Some(first)) = (rows.is_empty(), unknown.first()) {
            return Err(first.clone());
        }
        let sheet = Sheet::new("owner").grid("paths", &["path", "packages"], rows);
        Ok(with_unknown(led.into_iter().fold(sheet, Sheet::note), unknown))
    }

    /// The installed packages that have a path, else the trigger that made what stands there.
    fn owners(&self, root: &Path, place: &[u8]) -> Result<Vec<String>, ErrorReport> {
        let owners = self.system()?.owners(place).map_err(|e| system_error(&e))?;
        if !owners.is_empty() {
            return Ok(owners.iter().map(ToString::to_string).collect());
        }
        let there = || root.join(OsStr::from_bytes(place)).symlink_metadata().is_ok();
        let made = maker(place).filter(|_| there());
        Ok(made.map(|name| format!("made by trigger {name}")).into_iter().collect())
    }

    /// For each path the packages of the repositories that have it. No index has paths: each package is asked.
    fn offers(&self, paths: &[Vec<u8>]) -> Result<Vec<Vec<String>>, ErrorReport> {
        let view: View = self.view()?;
        let trust = self.packages.keys.load()?;
        let total = view.known.files.len() as u64;
        let mut found = vec![Vec::new(); paths.len()];
        for (done, (digest, file)) in (0u64..).zip(view.known.files.iter()) {
            // One that is gone or damaged since the last look offers nothing; 'repo sync' tells of it.
            let Ok(checked) = crate::system::repositories::found::open(file, &trust) else {
                continue;
            };
            if checked.id() != *digest {
                continue;
            }
            let manifest = checked.manifest();
            self.progress("checking", Some(manifest.name.to_string()), done, total);
            let label = format!("{} {}", manifest.name, manifest.version.with_release());
            for (path, labels) in paths.iter().zip(&mut found) {
                if manifest.file(path).is_some() {
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

/// A path with the links above it followed as they lead within `root`: never out of it, whatever they say. Its last
/// part is not followed: a link has its own owner.
fn resolved(root: &Path, path: &[u8]) -> Vec<u8> {
    let mut left: Vec<Vec<u8>> =
        path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect();
    let (mut done, mut links) = (PathBuf::new(), 0);
    while let Some(part) = left.pop() {
        match part.as_slice() {
            b"" | b"." => continue,
            b".." => drop(done.pop()),
            name => done.push(OsStr::from_bytes(name)),
        }
        let target = match left.is_empty() || links == MOST_LINKS {
            true => None,
            false => fs::read_link(root.join(&done)).ok(),
        };
        if let Some(target) = target {
            links += 1;
            done.pop();
            if target.is_absolute() {
                done = PathBuf::new();
            }
            let parts = target.as_os_str().as_bytes().split(|byte| *byte == b'/');
            left.extend(parts.rev().map(<[u8]>::to_vec));
        }
    }
    done.into_os_string().into_vec()
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::resolved;
    use crate::system::triggers::maker;

    /// On a system where `/bin` is a link nobody had `/bin/ls`.
    #[test]
    fn links_above_a_path_are_followed_within_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        for (link, to) in [
            ("bin", "usr/bin"),
            ("sbin", "/usr/sbin"),
            ("usr/sbin", "bin"),
            ("out", "../../../usr/bin"),
            ("loop", "loop"),
            ("usr/bin/sh", "bash"),
        ] {
            symlink(to, root.join(link)).unwrap();
        }
        for (path, want) in [
            ("bin/ls", "usr/bin/ls"),
            ("sbin/init", "usr/bin/init"),
            ("out/ls", "usr/bin/ls"),
            ("bin", "bin"),
            ("bin/sh", "usr/bin/sh"),
            ("../etc//./passwd", "etc/passwd"),
            ("nowhere/at/all", "nowhere/at/all"),
        ] {
            let found = String::from_utf8(resolved(root, path.as_bytes())).unwrap();
            assert_eq!(found, want, "{path}");
        }
        resolved(root, b"loop/x");
    }

    #[test]
    fn what_triggers_make_has_a_maker() {
        for (path, want) in [
            ("etc/ld.so.cache", Some("ldconfig")),
            ("usr/share/info/dir", Some("install-info")),
            ("usr/lib/modules/6.12/modules.dep", Some("depmod")),
            ("var/cache/man/cat1/ls", Some("mandb")),
            ("etc/ld.so.conf", None),
            ("etc", None),
            ("var/cache/man", None),
        ] {
            assert_eq!(maker(path.as_bytes()), want, "{path}");
        }
    }
}
