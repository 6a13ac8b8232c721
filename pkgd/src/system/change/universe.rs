//! What the solver works on: the repositories' index and what is installed.

use std::sync::{Arc, Mutex, PoisonError};

use minos_model::{Digest, Name};
use minos_proto::ErrorReport;
use minos_solve::index::{self, Repository, Table};
use minos_solve::{Pin, System as Asks, Universe, Want};
use minos_store::HoldRow;

use crate::service::state_error;
use crate::system::Asked;
use crate::system::errors::{on_file, system_error};
use crate::system::repositories::Known;

/// The universe as it was made last: for a generation and an index.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Option<(u64, Digest, Arc<Universe>)>>);

/// A universe and what belongs to it.
pub struct View {
    /// The packages.
    pub universe: Arc<Universe>,
    /// What was asked for, and what is held.
    pub asks: Asks,
    /// The repositories.
    pub known: Arc<Known>,
    /// The current generation; 0 for none.
    pub generation: u64,
}

impl Asked<'_> {
    /// The universe of now.
    pub(in crate::system) fn view(&self) -> Result<View, ErrorReport> {
        let packages = self.packages;
        let known = packages.repositories.known(|| self.look(false))?;
        let read = packages.store.read().map_err(|e| state_error(&e))?;
        let generation = read.current_generation().map_err(|e| state_error(&e))?.unwrap_or(0);
        let asks = self.asks(generation)?;
        let universe = self.universe(generation, &known)?;
        Ok(View { universe, asks, known, generation })
    }

    /// What was asked for in a generation, and what is held.
    pub(in crate::system) fn asks(&self, generation: u64) -> Result<Asks, ErrorReport> {
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let row = read.generation(generation).map_err(|e| state_error(&e))?;
        let holds = read.holds().map_err(|e| state_error(&e))?;
        let asked = row.map_or(Vec::new(), |row| row.asked);
        Ok(Asks {
            asked: asked.iter().filter_map(|want| want.parse::<Want>().ok()).collect(),
            pins: pins(&holds),
            holds: holds.into_iter().map(|(name, _)| name).filter(|name| is_name(name)).collect(),
        })
    }

    fn universe(&self, generation: u64, known: &Known) -> Result<Arc<Universe>, ErrorReport> {
        let mut cache = self.packages.cache.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, version, universe)) = &*cache
            && (*of, *version) == (generation, known.version)
        {
            return Ok(Arc::clone(universe));
        }
        let system = self.system()?;
        let read = self.packages.store.read().map_err(|e| state_error(&e))?;
        let mut entries = Vec::new();
        for installed in read.packages_of(generation).map_err(|e| state_error(&e))? {
            let digest = installed.package.digest;
            let manifest = system.manifest(&digest).map_err(|e| system_error(&e))?;
            entries.push(minos_solve::entry(&manifest, 0, digest, 0));
        }
        let installed = [Repository { name: "installed".to_owned(), priority: 0 }];
        let damaged = |e: &dyn std::fmt::Display| {
            on_file("make", "the index of what is installed".as_ref(), e)
        };
        let bytes = index::build(&installed, entries).map_err(|e| damaged(&e))?;
        let table = Table::parse(bytes).map_err(|e| damaged(&e))?;
        let universe = Arc::new(Universe::new(Arc::clone(&known.table), table));
        *cache = Some((generation, known.version, Arc::clone(&universe)));
        Ok(universe)
    }
}

fn is_name(text: &str) -> bool {
    text.parse::<Name>().is_ok()
}

/// What is held to versions or a repository, and not as it is.
fn pins(holds: &[(String, HoldRow)]) -> Vec<Pin> {
    let others = holds.iter().map(|(text, _)| text).filter(|text| !is_name(text));
    others.filter_map(|text| text.parse().ok()).collect()
}
