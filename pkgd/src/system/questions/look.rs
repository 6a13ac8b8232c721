//! Questions about packages: what there is, what needs what and why.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;

use minos_model::package::FileKind;
use minos_model::{Digest, PackageManifest};
use minos_proto::{ErrorReport, Field, Listing, Sheet};
use minos_solve::{Ask, Limits, PackageId, Request, RequestError, System, Universe, Want};
use minos_store::{Installed, Reason};

use crate::service::state_error;
use crate::system::Asked;
use crate::system::change::kept_back;
use crate::system::change::universe::View;
use crate::system::errors::{invalid, not_found, solve_error, system_error, unusable};

/// Names offered for one that is not known.
const SIMILAR: usize = 3;

impl Asked<'_> {
    /// The packages of the current generation, by name.
    pub(in crate::system) fn installed(&self) -> Result<Vec<Installed>, ErrorReport> {
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let mut list = read.installed().map_err(|e| state_error(&e))?;
        list.sort_by(|a, b| a.package.name.cmp(&b.package.name));
        Ok(list)
    }

    pub(in crate::system) fn search(&self, text: &str) -> Result<Sheet, ErrorReport> {
        let view = self.view()?;
        let universe = &view.universe;
        let here = view.here();
        let row = |found: minos_solve::Found| {
            let name = universe.name(found.package);
            let state = if here.contains(name) { "installed" } else { "" };
            vec![
                name.into(),
                universe.version_text(found.package).into(),
                state.into(),
                universe.description(found.package).into(),
            ]
        };
        let rows: Vec<_> = universe.search(text).into_iter().map(row).collect();
        let none = rows
            .is_empty()
            .then(|| format!("nothing has all of '{text}' in its name or description"));
        let sheet = Sheet::new("found");
        let sheet = sheet.grid("packages", &["package", "version", "state", "description"], rows);
        Ok(none.into_iter().fold(sheet, Sheet::note))
    }

    pub(in crate::system) fn info(&self, names: &[String]) -> Result<Sheet, ErrorReport> {
        let view = self.view()?;
        let mut sheet = Sheet::new("info");
        let (known, unknown): (Vec<_>, Vec<_>) =
            names.iter().map(|text| self.found(&view, text)).partition(Result::is_ok);
        let unknown: Vec<ErrorReport> = unknown.into_iter().filter_map(Result::err).collect();
        if let (true, Some(first)) = (known.is_empty(), unknown.first()) {
            return Err(first.clone());
        }
        for found in known.into_iter().flatten() {
            sheet = self.info_of(&view, &found, sheet)?;
        }
        Ok(with_unknown(sheet, unknown))
    }

    /// The package that a text means: the installed one where that is in question, else the newest.
    pub(in crate::system) fn found(&self, view: &View, text: &str) -> Result<Found, ErrorReport> {
        let universe = &view.universe;
        let want = text.parse::<Want>().map_err(|_| unknown(universe, text))?;
        let name = want.term.target;
        let installed = self.installed()?.into_iter().find(|i| i.package.name.to_string() == name);
        let meant = |p: &PackageId| {
            let constraint = &want.term.constraint;
            universe.version(*p).is_some_and(|version| constraint.matches(&version))
        };
        let offered = universe.named(&name).into_iter().filter(meant);
        let here = installed.as_ref().map(|i| i.package.digest);
        let digests: Vec<_> = offered.map(|p| Digest::from_bytes(universe.digest(p))).collect();
        let digest = here.filter(|here| digests.contains(here)).or(digests.last().copied());
        match digest {
            Some(digest) => Ok(Found { name, digest, installed }),
            None if universe.named(&name).is_empty() => Err(unknown(universe, &name)),
            None => {
                let all: Vec<&str> =
                    universe.named(&name).iter().map(|p| universe.version_text(*p)).collect();
                let hint = format!("there is: {}", all.join(", "));
                Err(not_found(format!("there is no package '{text}'"), &hint))
            }
        }
    }

    fn info_of(&self, view: &View, found: &Found, sheet: Sheet) -> Result<Sheet, ErrorReport> {
        let Found { name, digest, installed } = found;
        let other = installed.as_ref().filter(|i| i.package.digest != *digest);
        let installed = installed.as_ref().filter(|i| i.package.digest == *digest);
        let manifest = self.manifest_of(view, found)?;
        let offered = view.universe.named(name).into_iter();
        let offered = offered.map(|p| view.universe.version_text(p).to_owned());
        let mut state = match installed.map(|i| i.reason) {
            Some(Reason::Asked) => format!("installed, {}", asked(&view.asks, name)),
            Some(Reason::Dependency) => "installed, needed by others".to_owned(),
            None => "not installed".to_owned(),
        };
        state +=
            &other.map_or(String::new(), |i| format!("; {} is", i.package.version.with_release()));
        held(&view.asks, name).iter().for_each(|held| state += &format!(", {held}"));
        Ok(described(sheet, &manifest)
            .fact("state", state)
            .fact("digest", digest.to_string())
            .fact("versions", offered.map(Field::from).collect::<Field>()))
    }

    /// What a package says of itself, out of the store where it is installed, else out of its file.
    pub(in crate::system) fn manifest_of(
        &self,
        view: &View,
        found: &Found,
    ) -> Result<PackageManifest, ErrorReport> {
        let Found { name, digest, installed } = found;
        if installed.as_ref().is_some_and(|i| i.package.digest == *digest) {
            return self.system()?.manifest(digest).map_err(|e| system_error(&e));
        }
        let file = view.known.files.get(digest);
        let gone = |why: String| unusable(name, file.map(PathBuf::as_path), &why);
        let path = file.ok_or_else(|| gone("its file is gone".to_owned()))?;
        let reader = crate::system::repositories::found::open(path, &self.packages.keys.load()?)
            .map_err(gone)?;
        Ok(reader.manifest().clone())
    }

    pub(in crate::system) fn list(&self, listing: Listing) -> Result<Sheet, ErrorReport> {
        let rows = match listing {
            Listing::Available => return self.available(),
            Listing::Outdated => self.outdated()?,
            other => self.list_installed(other)?,
        };
        let columns = ["package", "version", ">size", "state"];
        let count = rows.len();
        Ok(Sheet::new("packages").fact("count", count).grid("packages", &columns, rows))
    }

    fn list_installed(&self, listing: Listing) -> Result<Vec<Vec<Field>>, ErrorReport> {
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let current = read.current_generation().map_err(|e| state_error(&e))?;
        let asks = self.asks(current.unwrap_or(0))?;
        let unneeded = match listing {
            Listing::Unneeded => self.unneeded()?,
            _ => BTreeSet::new(),
        };
        let wanted = |i: &Installed| match listing {
            Listing::Asked => i.reason == Reason::Asked,
            Listing::Held => !held(&asks, &i.package.name.to_string()).is_empty(),
            Listing::Unneeded => unneeded.contains(&i.package.name.to_string()),
            _ => true,
        };
        let row = |i: Installed| {
            let name = i.package.name.to_string();
            let mut state = vec![match i.reason {
                Reason::Asked => asked(&asks, &name),
                Reason::Dependency => "needed".to_owned(),
            }];
            state.extend(held(&asks, &name));
            vec![
                name.into(),
                i.package.version.with_release().into(),
                Field::Bytes(i.package.size),
                state.into_iter().map(Field::from).collect(),
            ]
        };
        Ok(self.installed()?.into_iter().filter(wanted).map(row).collect())
    }

    fn unneeded(&self) -> Result<BTreeSet<String>, ErrorReport> {
        let view = self.view()?;
        let nothing = Request::default();
        let answer = minos_solve::solve(&view.universe, &view.asks, &nothing, &Limits::default());
        let answer = answer.map_err(|e| solve_error(&e))?;
        Ok(answer.unneeded.iter().map(|p| view.universe.name(*p).to_owned()).collect())
    }

    /// What the repositories offer. Of several versions only the very package that is installed is told as that.
    fn available(&self) -> Result<Sheet, ErrorReport> {
        let view = self.view()?;
        let universe = &view.universe;
        let here: BTreeSet<[u8; 32]> =
            universe.installed().iter().map(|p| universe.digest(*p)).collect();
        let row = |package: PackageId| {
            let state = if here.contains(&universe.digest(package)) { "installed" } else { "" };
            vec![
                universe.name(package).into(),
                universe.version_text(package).into(),
                Field::Bytes(universe.sizes(package).1),
                universe.repository(package).map(|(name, _)| name.to_owned()).into(),
                state.into(),
            ]
        };
        let rows: Vec<_> = universe.offered().map(row).collect();
        let columns = ["package", "version", ">size", "repository", "state"];
        let count = rows.len();
        Ok(Sheet::new("packages").fact("count", count).grid("packages", &columns, rows))
    }

    /// What an upgrade would change, without asking for it; and what was built anew, which none does by itself.
    fn outdated(&self) -> Result<Vec<Vec<Field>>, ErrorReport> {
        let view = self.view()?;
        let universe = &view.universe;
        let newer = |installed: &PackageId| {
            let other = view.newer(*installed).or_else(|| view.rebuilt(*installed));
            Some((*installed, other?))
        };
        let row = |(old, new): (PackageId, PackageId)| {
            let to = match universe.version(old) == universe.version(new) {
                true => rebuilt(universe.name(old)),
                false => format!("{} is there", universe.version_text(new)),
            };
            let (_, size) = universe.sizes(new);
            vec![
                universe.name(old).into(),
                universe.version_text(old).into(),
                Field::Bytes(size),
                to.into(),
            ]
        };
        Ok(universe.installed().iter().filter_map(newer).map(row).collect())
    }

    pub(in crate::system) fn depends(
        &self,
        name: &str,
        reverse: bool,
        all: bool,
    ) -> Result<Sheet, ErrorReport> {
        let view = self.view()?;
        let start = self.one(&view, name)?;
        let near = Near::new(&view, start);
        let mut seen: BTreeSet<PackageId> = BTreeSet::from([start]);
        let mut rows = Vec::new();
        let mut queue = VecDeque::from([(start, 1_u64)]);
        while let Some((package, depth)) = queue.pop_front() {
            let next = if reverse { near.dependants(package) } else { near.needed(package) };
            for next in next {
                if seen.insert(next) {
                    rows.push((depth, view.universe.label(next), view.universe.label(package)));
                    queue.extend(all.then_some((next, depth + 1)));
                }
            }
        }
        rows.sort();
        let rows = rows.into_iter();
        let rows = rows.map(|(depth, next, by)| vec![depth.into(), next.into(), by.into()]);
        let sheet = Sheet::new(if reverse { "dependants" } else { "dependencies" });
        let by = if reverse { "needs" } else { "needed_by" };
        let words = view.universe.depends(start).into_iter().map(Field::from).collect::<Field>();
        let sheet = sheet.fact("package", view.universe.label(start)).fact("needs", words);
        Ok(sheet.grid("packages", &[">depth", "package", by], rows.collect()))
    }

    /// The installed package of this name, else the newest of the repositories.
    fn one(&self, view: &View, name: &str) -> Result<PackageId, ErrorReport> {
        let universe = &view.universe;
        let installed = universe.installed().iter().find(|p| universe.name(**p) == name).copied();
        let newest = || universe.named(name).into_iter().max_by_key(|p| universe.version(*p));
        installed.or_else(newest).ok_or_else(|| unknown(universe, name))
    }

    pub(in crate::system) fn why(&self, text: &str) -> Result<Sheet, ErrorReport> {
        let view = self.view()?;
        let universe = &view.universe;
        let want: Want = text.parse().map_err(|e: RequestError| invalid(e.to_string(), ""))?;
        let chain = universe.why(&view.asks, &want.term.target);
        if !chain.is_empty() && want.term.constraint.is_any() {
            let labels: Vec<String> = chain.iter().map(|p| universe.label(*p)).collect();
            let asked = view.asks.asked.iter().any(|w| w.term.target == universe.name(chain[0]));
            let note = match (asked, labels.len()) {
                (true, 1) => "it was asked for".to_owned(),
                (true, _) => format!("{} was asked for; each needs the next", labels[0]),
                (false, _) => "nobody asked for it and nothing needs it".to_owned(),
            };
            let labels = labels.into_iter().map(Field::from).collect::<Field>();
            return Ok(Sheet::new("why").fact("chain", labels).note(note));
        }
        if universe.named(&want.term.target).is_empty() {
            return Err(unknown(universe, &want.term.target));
        }
        let answer = universe.why_not(&view.asks, &want, &Limits::default());
        let sheet = Sheet::new("why-not").fact("package", want.to_string());
        Ok(match answer.map_err(|e| solve_error(&e))? {
            minos_solve::WhyNot::Installed(package) => {
                sheet.note(format!("{} is installed", universe.label(package)))
            }
            minos_solve::WhyNot::Possible(answer) => {
                let lines = answer.describe(universe);
                lines
                    .lines()
                    .fold(sheet.note("only because nobody asked; this would do it:"), Sheet::note)
            }
            minos_solve::WhyNot::Impossible(refusal) => {
                refusal.to_string().lines().fold(sheet, Sheet::note)
            }
        })
    }
}

impl View {
    /// The names that are installed.
    fn here(&self) -> BTreeSet<&str> {
        self.universe.installed().iter().map(|p| self.universe.name(*p)).collect()
    }
}

/// What stands beside a package: the installed system, or the one that an answer to it alone would make.
struct Near<'a> {
    universe: &'a Universe,
    members: BTreeSet<PackageId>,
    installed: bool,
}

impl<'a> Near<'a> {
    fn new(view: &'a View, package: PackageId) -> Self {
        let universe = &*view.universe;
        let installed = universe.installed().contains(&package);
        let members = if installed {
            universe.installed().iter().copied().collect()
        } else {
            let goal = Request::of([Ask::Install(Want::any(universe.name(package)))]);
            let nothing = minos_solve::System::default();
            let answer = minos_solve::solve(universe, &nothing, &goal, &Limits::default());
            answer.map_or_else(|_| BTreeSet::new(), |a| a.packages.into_iter().collect())
        };
        Self { universe, members, installed }
    }

    fn needed(&self, package: PackageId) -> Vec<PackageId> {
        let found = self.universe.providers(package).into_iter();
        found.filter(|p| *p != package && self.members.contains(p)).collect()
    }

    /// Of the installed packages where this one is, else of the repositories.
    fn dependants(&self, package: PackageId) -> Vec<PackageId> {
        if !self.installed {
            return self.universe.dependants(package);
        }
        let needs = |p: &&PackageId| self.universe.providers(**p).contains(&package);
        self.members.iter().filter(needs).copied().collect()
    }
}

/// A package that a text means.
pub(in crate::system) struct Found {
    pub name: String,
    pub digest: Digest,
    /// The package of this name that is installed, which may be another.
    pub installed: Option<Installed>,
}

/// What is known, and in the end what is not: one wrong word does not hide the answers to the others. The alarm makes it
/// the exit status of what does not exist.
pub(in crate::system) fn with_unknown(mut sheet: Sheet, unknown: Vec<ErrorReport>) -> Sheet {
    sheet.alarm = !unknown.is_empty();
    let notes = unknown.into_iter().map(|error| format!("{} ({})", error.what, error.hint));
    notes.fold(sheet, Sheet::note)
}

/// That an installed package is not the one that is offered in its version.
pub(in crate::system) fn rebuilt(name: &str) -> String {
    format!("rebuilt: 'pkgctl install {name} --reinstall' takes it as it is built now")
}

/// That a user asked for a package, with the versions and groups that were meant.
fn asked(asks: &System, name: &str) -> String {
    kept_back::bound(asks, name)
        .map_or("asked for".to_owned(), |want| format!("asked for as {want}"))
}

/// How a package is held; empty where it is not.
fn held(asks: &System, name: &str) -> Vec<String> {
    let whole = asks.holds.iter().filter(|held| *held == name).map(|_| "held".to_owned());
    whole.chain(kept_back::pins(asks, name).map(|pin| format!("held as {pin}"))).collect()
}

pub(in crate::system) fn unknown(universe: &Universe, name: &str) -> ErrorReport {
    let similar = universe.similar(name, SIMILAR);
    let hint = match similar.as_slice() {
        [] => "'pkgctl search TEXT' looks in names and descriptions".to_owned(),
        names => format!("is it one of: {}?", names.join(", ")),
    };
    not_found(format!("there is no package '{name}'"), &hint)
}

fn described(sheet: Sheet, manifest: &PackageManifest) -> Sheet {
    let texts = |list: Vec<String>| list.into_iter().map(Field::from).collect::<Field>();
    let needs = manifest.dependencies.iter().map(|d| d.requirement.to_string()).collect();
    let provides = manifest.provides.iter().map(|c| c.id.to_string()).collect();
    let conflicts = manifest.conflicts.iter().map(ToString::to_string).collect();
    let replaces = manifest.replaces.iter().map(ToString::to_string).collect();
    let groups = manifest.groups.iter().map(|g| format!("{}: {}", g.name, g.reason)).collect();
    let config = manifest.config.iter().map(|p| format!("/{p}")).collect();
    let files = manifest.files.iter().filter(|f| !matches!(f.kind, FileKind::Directory)).count();
    sheet
        .fact("package", manifest.name.to_string())
        .fact("version", manifest.version.with_release())
        .fact("arch", manifest.arch.as_str())
        .fact("description", manifest.description.clone())
        .fact("licence", manifest.licence.clone())
        .fact("built_from", manifest.origin.recipe.to_string())
        .fact("installed_size", Field::Bytes(manifest.installed_size()))
        .fact("files", files)
        .fact("needs", texts(needs))
        .fact("provides", texts(provides))
        .fact("conflicts", texts(conflicts))
        .fact("replaces", texts(replaces))
        .fact("groups", texts(groups))
        .fact("config", texts(config))
}
