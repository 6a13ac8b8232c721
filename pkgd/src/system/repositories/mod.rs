//! Repositories: folders with package files, or addresses that such a folder is fetched from, and the index made of
//! them.
//!
//! `repositories/list` has a line for each: name, priority, path or addresses. `repositories/fetched` has a folder for
//! each that is fetched from ([`fetched`]). `repositories/index` is the solver's index
//! of all packages found there at the last sync, `repositories/files` says which file each is. A package that
//! is not signed by a trusted key is not in the index. `repositories/floors` is what is remembered of the indexes that
//! publishers have signed ([`published`]).

pub(super) mod fetched;
pub(super) mod found;
pub(super) mod keys;
pub(super) mod pack;
pub(super) mod packable;
mod places;
pub(super) mod published;
pub(super) mod take;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minos_model::{Digest, Name};
use minos_proto::{ErrorReport, Field, RepositoryChange, Sheet};
use minos_solve::index::{self, Package, Repository, Table};
use serde::{Deserialize, Serialize};

use super::Asked;
use super::errors::{invalid, not_found, on_file};
use super::files;
use fetched::{Fetched, Online, Shared};
use found::Found;
use places::Place;
use published::{Floors, Look};

/// The repository of what this machine packs.
pub const LOCAL: &str = "local";
/// Signatures of distinct trusted keys that a package needs.
pub const THRESHOLD: usize = 1;

/// What is remembered of signed indexes.
const FLOORS: &str = "floors";

/// Where a package of the index stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Held {
    /// The package's identity.
    pub id: Digest,
    /// Its file.
    pub path: PathBuf,
}

/// The index as it was made last.
#[derive(Debug)]
pub struct Known {
    /// For the solver.
    pub table: Arc<Table>,
    /// The file of each package, by the digest of its manifest.
    pub files: Arc<HashMap<Digest, PathBuf>>,
    /// Where more than the heads of some packages is to be had.
    pub fetched: Fetched,
    /// Digest of the index: it changes with each sync that found something else.
    pub version: Digest,
}

impl Known {
    /// How many packages of a repository the index has.
    fn count(&self, repository: &str) -> usize {
        let all = (0..self.table.len()).map(Package);
        let of = |package: &Package| {
            self.table.repository_view(self.table.repository(*package)).0 == repository
        };
        all.filter(of).count()
    }
}

/// The repositories of a state root.
pub struct Repositories {
    folder: PathBuf,
    local: PathBuf,
    known: Mutex<Option<Arc<Known>>>,
    turn: Mutex<()>,
    fetcher: Shared,
}

impl Repositories {
    /// The repositories below the state root.
    pub fn new(root: &Path) -> Self {
        let (folder, local) = (root.join("repositories"), root.join("packages"));
        let (known, turn, fetcher) = (Mutex::new(None), Mutex::new(()), Shared::default());
        Self { folder, local, known, turn, fetcher }
    }

    /// Held from the reading of the files of this folder to the writing of what is made of them.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder of what this machine packs.
    pub fn local(&self) -> &Path {
        &self.local
    }

    /// Whether there is a repository of this name.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn has(&self, name: &str) -> Result<bool, ErrorReport> {
        Ok(self.list()?.iter().any(|place| place.name == name))
    }

    /// Adds a repository, or changes the one of this name, once all is well with what is asked and `before` has agreed.
    fn add(
        &self,
        (name, path, priority): (&str, &str, i32),
        before: impl FnOnce() -> Result<(), ErrorReport>,
    ) -> Result<(), ErrorReport> {
        if name.parse::<Name>().is_err() || name == LOCAL {
            return Err(invalid(
                format!("'{name}' cannot be the name of a repository"),
                "a name has small letters, digits, '-', and is not 'local'",
            ));
        }
        let place = self.place(name, path, priority)?;
        let _turn = self.turn();
        let mut places = self.list()?;
        places.retain(|place| place.name != name);
        places.push(place);
        before()?;
        self.save(&places)
    }

    /// Removes a repository, once it is found and `before` has agreed.
    fn remove(
        &self,
        name: &str,
        before: impl FnOnce() -> Result<(), ErrorReport>,
    ) -> Result<(), ErrorReport> {
        let _turn = self.turn();
        let mut places = self.list()?;
        let found = places.iter().position(|place| place.name == name && name != LOCAL);
        let Some(removed) = found.map(|at| places.remove(at)) else {
            return Err(not_found(
                format!("there is no repository '{name}' that could be removed"),
                "'pkgctl repo list' shows them",
            ));
        };
        before()?;
        self.save(&places)?;
        if !removed.urls.is_empty() {
            // What is left of it is only room.
            let _ = fs::remove_dir_all(&removed.path);
        }
        // A person's word: whoever adds it again begins anew.
        let mut floors = self.floors()?;
        floors.forget(name);
        floors.save(&self.folder.join(FLOORS))
    }

    /// What is remembered of signed indexes.
    fn floors(&self) -> Result<Floors, ErrorReport> {
        Floors::load(&self.folder.join(FLOORS))
    }

    /// Fetches from all addresses, then looks at all folders as [`Repositories::sync`] does. `tell` hears what is fetched.
    ///
    /// # Errors
    /// As for [`Repositories::sync`]. A server that cannot be reached is none: it is told.
    fn fetch(
        &self,
        look: &Look,
        tell: &dyn Fn(&str, u64, u64),
    ) -> Result<(Arc<Known>, Found), ErrorReport> {
        let _turn = self.turn();
        self.look_at_all(look, Some(&mut Online::new(&self.fetcher, tell)))
    }

    /// Looks at all folders and makes the index anew. Nothing is fetched.
    ///
    /// # Errors
    /// A folder cannot be read, or the index cannot be written. A bad package or a bad index of a publisher is no
    /// error: it is told.
    pub fn sync(&self, look: &Look) -> Result<(Arc<Known>, Found), ErrorReport> {
        let _turn = self.turn();
        self.look_at_all(look, None)
    }

    fn look_at_all(
        &self,
        look: &Look,
        mut online: Option<&mut Online<'_>>,
    ) -> Result<(Arc<Known>, Found), ErrorReport> {
        let places = self.list()?;
        let mut found = Found::default();
        let mut floors = self.floors()?;
        for (number, place) in (0u32..).zip(&places) {
            let before = found.held.len();
            found.look_at(number, place, look, &mut floors, online.as_deref_mut())?;
            found.counts.push(found.held.len() - before);
        }
        let named = |p: &Place| Repository { name: p.name.clone(), priority: p.priority };
        let list: Vec<Repository> = places.iter().map(named).collect();
        let at = self.folder.join("index");
        let bytes = index::build(&list, std::mem::take(&mut found.entries));
        let bytes = bytes.map_err(|e| on_file("make", &at, &e))?;
        let held = postcard::to_allocvec(&found.held).map_err(|e| on_file("make", &at, &e))?;
        files::folder(&self.folder)?;
        // What was seen is remembered before anything is offered because of it.
        floors.save(&self.folder.join(FLOORS))?;
        files::replace(&self.folder.join("files"), &sealed(&bytes, &held), 0o600)?;
        files::replace(&at, &bytes, 0o600)?;
        let known = Arc::new(self.known_of(bytes, std::mem::take(&mut found.held))?);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        Ok((known, found))
    }

    /// The index as it was made last; one that is damaged or was never made is made now.
    ///
    /// # Errors
    /// As for [`Repositories::sync`].
    pub fn known(
        &self,
        look: impl FnOnce() -> Result<Look, ErrorReport>,
    ) -> Result<Arc<Known>, ErrorReport> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(Arc::clone(known));
        }
        if let Some(read) = self.read()? {
            let read = Arc::new(read);
            *known = Some(Arc::clone(&read));
            return Ok(read);
        }
        drop(known);
        Ok(self.sync(&look()?)?.0)
    }

    /// What the last sync wrote; `None` where that is not whole.
    fn read(&self) -> Result<Option<Known>, ErrorReport> {
        let index = files::read(&self.folder.join("index"))?;
        let held = files::read(&self.folder.join("files"))?;
        let (Some(index), Some(held)) = (index, held) else { return Ok(None) };
        let Some(body) = unsealed(&index, &held) else { return Ok(None) };
        let Ok(held) = postcard::from_bytes::<Vec<Held>>(body) else { return Ok(None) };
        Ok(self.known_of(index, held).ok())
    }

    fn known_of(&self, bytes: Vec<u8>, held: Vec<Held>) -> Result<Known, ErrorReport> {
        let version = Digest::of(&bytes);
        let table =
            Table::parse(bytes).map_err(|e| on_file("use", &self.folder.join("index"), &e))?;
        // The first one counts: the repositories' order is that of their list.
        let files: HashMap<_, _> =
            held.into_iter().rev().map(|held| (held.id, held.path)).collect();
        let fetched = Fetched::new(self.list()?, Shared::clone(&self.fetcher));
        Ok(Known { table: Arc::new(table), files: Arc::new(files), fetched, version })
    }
}

/// The list of files, bound to the index it belongs to.
fn sealed(index: &[u8], held: &[u8]) -> Vec<u8> {
    let mut bytes = Digest::of(&[Digest::of(index).as_bytes(), held].concat()).as_bytes().to_vec();
    bytes.extend_from_slice(held);
    bytes
}

fn unsealed<'a>(index: &[u8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, body) = bytes.split_at_checked(32)?;
    let wanted = Digest::of(&[Digest::of(index).as_bytes(), body].concat());
    (wanted.as_bytes() == sum).then_some(body)
}

impl Asked<'_> {
    pub(super) fn repositories(
        &self,
        change: Option<RepositoryChange>,
    ) -> Result<Sheet, ErrorReport> {
        let repositories = &self.packages.repositories;
        let Some(change) = change else {
            let floors = repositories.floors()?;
            // Of the index as it is: an index that cannot be made is no reason not to tell the folders.
            let known = repositories.known(|| self.look(false)).ok();
            let count = |place: &Place| known.as_ref().map(|known| known.count(&place.name)).into();
            let places = repositories.list()?.into_iter();
            let rows = places.map(|place| row(&place, count(&place), &floors)).collect();
            return Ok(Sheet::new("repositories").grid("repositories", &COLUMNS, rows));
        };
        match &change {
            RepositoryChange::Add { name, path, priority } => {
                let audit = || self.audit(format!("repository {name} added: {path}"));
                repositories.add((name, path, *priority), audit)?;
            }
            RepositoryChange::Remove { name } => {
                let audit = || self.audit(format!("repository {name} removed"));
                repositories.remove(name, audit)?;
            }
            RepositoryChange::Sync { .. } => {}
        }
        let allow_expired = matches!(change, RepositoryChange::Sync { allow_expired: true });
        let tell = |what: &str, done, of| self.progress("looking", Some(what.to_owned()), done, of);
        let look = self.look(allow_expired)?;
        let (_, found) = match change {
            RepositoryChange::Remove { .. } => repositories.sync(&look)?,
            _ => repositories.fetch(&look, &tell)?,
        };
        let floors = repositories.floors()?;
        let places = repositories.list()?;
        let counts = found.counts.iter().map(|count| Field::from(*count));
        let rows = places.iter().zip(counts);
        let rows = rows.map(|(place, count)| row(place, count, &floors)).collect();
        let mut sheet = Sheet::new("repositories").grid("repositories", &COLUMNS, rows);
        sheet.alarm = found.has_refused();
        let notes = found.notes.iter().cloned().chain(found.passed_over());
        Ok(notes.chain(found.refusals()).fold(sheet, Sheet::note))
    }
}

const COLUMNS: [&str; 5] = ["repository", ">priority", ">packages", "until", "place"];

fn row(place: &Place, count: Field, floors: &Floors) -> Vec<Field> {
    let priority = Field::Number(place.priority.into());
    let until = floors
        .get(&place.name)
        .map_or(Field::None, |floor| Field::Time(floor.expires.saturating_mul(1000)));
    vec![place.name.clone().into(), priority, count, until, place.shown().into()]
}
