//! Roots of exactly some packages and what they need.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use minos_model::{Digest, Name};
use minos_proto::{ErrorKind, ErrorReport, Field, Sheet};
use minos_solve::index::{self, Repository, Table, Term};
use minos_solve::{Ask, Limits, Request, RequestError, System, Universe, Want};
use minos_store::SysrootMode;

use super::mounts;
use crate::system::errors::{invalid, not_found, on_file, on_named, solve_error, system_error};
use crate::system::{Asked, files};

/// In front of the name of a root of links, which nobody but [`mounts`] is to touch.
const LINKS: &str = ".links-";

/// Shows all roots of links below `state` that are not: at the start of pkgd, which is also after a boot. What
/// cannot be mounted is told and listed as such; it is an empty folder then.
pub fn show_all(state: &Path) {
    for (links, at) in linked(state) {
        let shown = if mounts::is_shown(&at) { Ok(()) } else { mounts::show(&links, &at) };
        if let Err(e) = shown {
            eprintln!("pkgd: the sysroot {} cannot be mounted: {e}", at.display());
        }
    }
}

/// Takes the mounts away: at the end of pkgd. Where somebody works in one it stays.
pub fn hide_all(state: &Path) {
    for (_, at) in linked(state) {
        let _ = mounts::hide(&at);
    }
}

/// The roots of links, and where each is shown.
fn linked(state: &Path) -> Vec<(PathBuf, PathBuf)> {
    let folder = state.join("sysroots");
    let names = files::names(&folder).unwrap_or_default().into_iter();
    let pair = |name: String| {
        let shown = folder.join(name.strip_prefix(LINKS)?);
        Some((folder.join(&name), shown))
    };
    names.filter_map(pair).collect()
}

impl Asked<'_> {
    pub(in crate::system) fn sysroot(
        &self,
        place: &str,
        packages: &[String],
        writable: bool,
    ) -> Result<Sheet, ErrorReport> {
        let (name, link) = named(place)?;
        let _changing = self.packages.changing()?;
        self.packages.not_the_seed(&name)?;
        if packages.is_empty() {
            self.has_sysroot(place, &name)?;
            self.audit(format!("sysroot {place} removed"))?;
            self.forget(&name)?;
            return self.sysroots();
        }
        self.audit(format!("sysroot {place}: {}", packages.join(" ")))?;
        let members = self.closure(packages)?;
        let mode = if writable { SysrootMode::Copy } else { SysrootMode::Hardlink };
        self.hide(&name)?;
        let made = self.system()?.compose(&members, &name, mode).map_err(|e| system_error(&e))?;
        let path = self.packages.path(&format!("sysroots/{name}"));
        if !writable {
            self.show(&name, &made.path, &path)?;
        }
        if let Some(link) = &link {
            self.point(link, &name, &path)?;
        }
        Ok(Sheet::new("sysroot")
            .fact("sysroot", name.to_string())
            .fact("path", link.unwrap_or(path).display().to_string())
            .fact("packages", members.len())
            .fact("paths", made.paths)
            .fact("bytes", Field::Bytes(made.bytes))
            .fact("writable", writable))
    }

    fn has_sysroot(&self, place: &str, name: &Name) -> Result<(), ErrorReport> {
        let name = name.to_string();
        // What a kill left of one counts: it is to go as well.
        if self.sysroot_names()?.contains(&name) || self.link_of(&name)?.is_some() {
            return Ok(());
        }
        Err(not_found(format!("there is no sysroot '{place}'"), "'pkgctl sysroot' lists them"))
    }

    /// Mounts a root of links read-only, or takes it away again: whoever could write into one of its files would
    /// write into every generation that has it.
    fn show(&self, name: &Name, links: &Path, at: &Path) -> Result<(), ErrorReport> {
        mounts::show(links, at).map_err(|e| {
            // What failed first is what matters.
            let _ = self.system().map(|system| system.remove_sysroot(name));
            let what = format!("the sysroot {name} cannot be mounted read-only: {e}");
            ErrorReport::new(ErrorKind::State, what, "--writable makes copies, which need no mount")
        })
    }

    fn hide(&self, name: &Name) -> Result<(), ErrorReport> {
        let at = self.packages.path(&format!("sysroots/{name}"));
        mounts::hide(&at).map_err(|e| {
            let what = format!("the sysroot {name} cannot be unmounted: {e}");
            let hint = "end what works in it ('fuser -m' names that), then try again";
            ErrorReport::new(ErrorKind::Conflict, what, hint)
        })
    }

    /// Makes `link` lead to a sysroot. A link of an earlier time gives way, anything else does not.
    fn point(&self, link: &Path, name: &Name, root: &Path) -> Result<(), ErrorReport> {
        match fs::symlink_metadata(link) {
            Ok(meta) if !meta.is_symlink() => {
                let what = format!("'{}' is there and is no link", link.display());
                return Err(invalid(what, "take it away first, or name another folder"));
            }
            Ok(_) => fs::remove_file(link).map_err(|e| on_file("replace", link, &e))?,
            Err(_) => {}
        }
        symlink(root, link).map_err(|e| on_named("create", link, &e))?;
        let record = self.packages.path(&format!("sysroots/.link-{name}"));
        files::replace(&record, link.as_os_str().as_bytes(), 0o600)
    }

    /// Where the link of a sysroot stands, if it has one.
    fn link_of(&self, name: &str) -> Result<Option<PathBuf>, ErrorReport> {
        let record = self.packages.path(&format!("sysroots/.link-{name}"));
        Ok(files::read(&record)?.map(|bytes| PathBuf::from(OsString::from_vec(bytes))))
    }

    fn forget(&self, name: &Name) -> Result<(), ErrorReport> {
        self.packages.not_the_seed(name)?;
        self.hide(name)?;
        self.system()?.remove_sysroot(name).map_err(|e| system_error(&e))?;
        let root = self.packages.path(&format!("sysroots/{name}"));
        if let Some(link) = self.link_of(&name.to_string())? {
            if fs::read_link(&link).is_ok_and(|to| to == root) {
                fs::remove_file(&link).map_err(|e| on_file("delete", &link, &e))?;
            }
            let _ = fs::remove_file(self.packages.path(&format!("sysroots/.link-{name}")));
        }
        Ok(())
    }

    /// Takes sysroots away whose link somebody took away. One that somebody still works in is left for the next
    /// time.
    pub(in crate::system) fn collect_sysroots(&self) -> Result<(), ErrorReport> {
        for name in self.sysroot_names()? {
            let root = self.packages.path(&format!("sysroots/{name}"));
            let gone = |link: PathBuf| !fs::read_link(link).is_ok_and(|to| to == root);
            if self.link_of(&name)?.is_some_and(gone)
                && let Ok(name) = name.parse()
            {
                match self.forget(&name) {
                    Err(report) if report.kind == ErrorKind::Conflict => {}
                    done => done?,
                }
            }
        }
        Ok(())
    }

    fn sysroot_names(&self) -> Result<Vec<String>, ErrorReport> {
        let names = files::names(&self.packages.path("sysroots"))?;
        // One that could not be shown has no folder of its own.
        let named = |name: &String| match name.strip_prefix(LINKS) {
            Some(name) => Some(name.to_owned()),
            None => (!name.starts_with('.')).then(|| name.clone()),
        };
        let names: BTreeSet<String> = names.iter().filter_map(named).collect();
        Ok(names.into_iter().collect())
    }

    /// The packages and what they need, of those that the store has: the system as it is, asked for less.
    fn closure(&self, packages: &[String]) -> Result<Vec<Digest>, ErrorReport> {
        let (mut asks, mut wants) = (Vec::new(), Vec::new());
        for text in packages {
            let want: Want = text.parse().map_err(|e: RequestError| invalid(e.to_string(), ""))?;
            asks.push(Ask::Install(want.clone()));
            wants.push(want);
        }
        let mut entries = Vec::new();
        let system = self.system()?;
        for installed in self.installed()? {
            let digest = installed.package.digest;
            let manifest = system.manifest(&digest).map_err(|e| system_error(&e))?;
            entries.push(minos_solve::entry(&manifest, 0, digest, 0));
        }
        let damaged = |e: &dyn std::fmt::Display| {
            on_file("make", "the index of what is installed".as_ref(), e)
        };
        let table = |entries| {
            let list = [Repository { name: "installed".to_owned(), priority: 0 }];
            let bytes = index::build(&list, entries).map_err(|e| damaged(&e))?;
            Table::parse(bytes).map_err(|e| damaged(&e))
        };
        let universe = Universe::new(table(entries)?.into(), table(Vec::new())?);
        wants.iter().try_for_each(|want| is_there(&universe, want))?;
        let answer = minos_solve::solve(
            &universe,
            &System::default(),
            &Request::of(asks),
            &Limits::default(),
        );
        // Where a repository has what is missing, the way out is to install that first.
        let answer =
            answer.map_err(|e| ErrorReport { hint: OF_INSTALLED.into(), ..solve_error(&e) })?;
        Ok(answer.packages.iter().map(|p| Digest::from_bytes(universe.digest(*p))).collect())
    }

    pub(in crate::system) fn sysroots(&self) -> Result<Sheet, ErrorReport> {
        let mut rows = Vec::new();
        for name in self.sysroot_names()? {
            let path = self.packages.path(&format!("sysroots/{name}"));
            let linked = self.packages.path(&format!("sysroots/{LINKS}{name}")).exists();
            let state = match linked {
                true if mounts::is_shown(&path) => "read-only",
                true => "not mounted",
                false => "writable",
            };
            let path = path.display().to_string();
            let link = self.link_of(&name)?.map(|link| link.display().to_string());
            rows.push(vec![name.into(), state.into(), link.into(), path.into()]);
        }
        Ok(Sheet::new("sysroots").grid("sysroots", &["sysroot", "state", "link", "path"], rows))
    }
}

/// Why a package of a repository is not enough.
const OF_INSTALLED: &str = "a sysroot is made of installed packages";

/// That what is wanted is installed, in a version that is meant: `universe` has nothing else.
fn is_there(universe: &Universe, want: &Want) -> Result<(), ErrorReport> {
    let Term { target, constraint } = &want.term;
    let hint = format!("'pkgctl install {want}' comes first");
    let Some(package) = universe.named(target).first().copied() else {
        let provided = universe
            .offered()
            .any(|package| universe.provides(package).any(|provide| provide.target == target));
        let what = || format!("{target} is not installed: {OF_INSTALLED}");
        return if provided { Ok(()) } else { Err(not_found(what(), &hint)) };
    };
    if universe.version(package).is_some_and(|version| constraint.matches(&version)) {
        return Ok(());
    }
    let there = universe.label(package);
    Err(not_found(format!("{there} is installed, and not {want}: {OF_INSTALLED}"), &hint))
}

/// What stands for a sysroot: its name, or the absolute path of a link to it, from which it gets a name.
fn named(place: &str) -> Result<(Name, Option<PathBuf>), ErrorReport> {
    if place.starts_with('/') && !place.contains(|c: char| c.is_control()) {
        let path = PathBuf::from(place.trim_end_matches('/'));
        let digest = Digest::of(path.as_os_str().as_bytes());
        let name = format!("at-{}", digest.short()).parse::<Name>();
        return name.map(|name| (name, Some(path))).map_err(|e| invalid(e.to_string(), ""));
    }
    let bad = |_| {
        invalid(
            format!("'{place}' cannot be the name of a sysroot"),
            "small letters, digits and '-', or the absolute path of a link to be made",
        )
    };
    Ok((place.parse().map_err(bad)?, None))
}
