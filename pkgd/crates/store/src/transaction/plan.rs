//! Plans: what a transaction would do, to be shown, kept, and carried out exactly or not at all.

use std::sync::Arc;

use minos_model::{Digest, Name, PackageManifest, Version};
use serde::{Deserialize, Serialize};

use super::prepare::{Install, Wish};
use super::system::System;
use super::{Problem, SystemError};
use crate::generations::Reason;
use crate::packages::{Accounts, Tree, encode};

/// First bytes of a plan file.
const MAGIC: [u8; 8] = *b"MINOSPL1";
/// Longest plan file in bytes: what is longer is refused before it is read.
const MAX: usize = 16 << 20;

/// A package to be installed, or to take the place of another version of it.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The package.
    pub manifest: PackageManifest,
    /// Numbers of the users and groups it names.
    pub accounts: Accounts,
    /// Why it is to be there.
    pub reason: Reason,
}

/// What is wanted, as the solver answered.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Packages to come.
    pub install: Vec<Incoming>,
    /// Packages to go.
    pub remove: Vec<Name>,
    /// Packages that stay, for another reason than before.
    pub reasons: Vec<(Name, Reason)>,
    /// What users have asked for by now, sorted, each as the solver reads it (`zlib>=1.3`, `git[docs]`).
    pub asked: Vec<String>,
    /// What for, in the words of who asks.
    pub note: String,
    /// Also change packages that are held.
    pub override_holds: bool,
}

/// An installation as a plan names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanInstall {
    /// Digest of the package's manifest.
    pub manifest: Digest,
    /// Numbers of the users and groups it names.
    pub accounts: Accounts,
    /// Why it is to be there.
    pub reason: Reason,
}

/// A line of a plan for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// The package.
    pub name: Name,
    /// Its version before; `None` if it is new.
    pub from: Option<Version>,
    /// Its version after; `None` if it goes.
    pub to: Option<Version>,
}

/// A plan. Its bytes are canonical: equal plans have equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The generation it was made on; 0 when there was none.
    pub base: u64,
    /// Digest of that generation's row.
    pub base_digest: Digest,
    /// What for.
    pub note: String,
    /// Packages to come, sorted by manifest.
    pub install: Vec<PlanInstall>,
    /// Packages to go, sorted.
    pub remove: Vec<Name>,
    /// Packages that stay, for another reason, sorted.
    pub reasons: Vec<(Name, Reason)>,
    /// What users have asked for afterwards, sorted.
    pub asked: Vec<String>,
    /// That is not what they had asked for before.
    pub asks_change: bool,
    /// Held packages may change.
    pub override_holds: bool,
    /// What changes, sorted by name.
    pub changes: Vec<PlannedChange>,
    /// Contents that the store does not have, in bytes.
    pub write_bytes: u64,
    /// How many files that are.
    pub write_files: u64,
    /// Change of the size of all installed files, in bytes.
    pub grows: i64,
}

impl Plan {
    /// Whether it would change nothing: carrying it out would make a generation equal to its base.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.reasons.is_empty() && !self.asks_change
    }

    /// The bytes of a plan file (`docs/formats/generations.md`).
    ///
    /// # Errors
    /// It is longer than a plan may be.
    pub fn encode(&self) -> Result<Vec<u8>, SystemError> {
        let no = |why: String| SystemError::NoPlan { why };
        let mut bytes = postcard::to_extend(self, MAGIC.to_vec()).map_err(|e| no(e.to_string()))?;
        let sum = Digest::of(&bytes);
        bytes.extend_from_slice(sum.as_bytes());
        if bytes.len() > MAX {
            return Err(no("it is longer than 16 MiB".to_owned()));
        }
        Ok(bytes)
    }

    /// Reads a plan file. Only the bytes that [`Plan::encode`] writes are taken.
    ///
    /// # Errors
    /// [`SystemError::NoPlan`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, SystemError> {
        let no = |why: &str| SystemError::NoPlan { why: why.to_owned() };
        if bytes.len() > MAX {
            return Err(no("it is longer than 16 MiB"));
        }
        let at = bytes.len().checked_sub(32).ok_or_else(|| no("it is too short"))?;
        let (body, sum) = bytes.split_at(at);
        if Digest::of(body).as_bytes() != sum {
            return Err(no("its check sum does not match"));
        }
        let body = body.strip_prefix(&MAGIC).ok_or_else(|| no("it does not begin as a plan"))?;
        let plan: Self = match postcard::take_from_bytes(body) {
            Ok((plan, [])) => plan,
            _ => return Err(no("its fields cannot be read")),
        };
        if plan.encode()? != bytes {
            return Err(no("it is not in canonical form"));
        }
        Ok(plan)
    }
}

impl System<'_> {
    /// Checks `request` against the current generation and makes a plan of it. Nothing is written but
    /// the index of paths, if a switch left that behind.
    ///
    /// # Errors
    /// [`SystemError::Refused`] with everything that stands against it; the state cannot be read.
    pub fn plan(&self, request: &Request) -> Result<Plan, SystemError> {
        let mut install = Vec::with_capacity(request.install.len());
        let mut problems = Vec::new();
        for incoming in &request.install {
            match resolve(incoming)? {
                Ok(one) => install.push(one),
                Err(problem) => problems.push(problem),
            }
        }
        let wish = Wish {
            install,
            remove: request.remove.clone(),
            reasons: request.reasons.clone(),
            asked: request.asked.clone(),
            override_holds: request.override_holds,
        };
        let prepared = self.prepare(&wish, problems)?;
        let mut plan = Plan {
            base: prepared.base.as_ref().map_or(0, |row| row.number),
            base_digest: prepared.base_digest(),
            note: request.note.clone(),
            install: Vec::new(),
            remove: wish.remove,
            reasons: wish.reasons,
            asks_change: wish.asked != prepared.base.as_ref().map_or(&[][..], |row| &row.asked),
            asked: wish.asked,
            override_holds: wish.override_holds,
            changes: prepared.planned_changes(),
            write_bytes: prepared.cost.bytes,
            write_files: prepared.cost.files,
            grows: prepared.grows(),
        };
        plan.install = wish
            .install
            .into_iter()
            .map(|i| PlanInstall {
                manifest: i.digest,
                accounts: i.tree.accounts().clone(),
                reason: i.reason,
            })
            .collect();
        plan.install.sort_by_key(|install| install.manifest);
        plan.remove.sort();
        plan.reasons.sort();
        Ok(plan)
    }
}

fn resolve(incoming: &Incoming) -> Result<Result<Install, Problem>, SystemError> {
    let Incoming { manifest, accounts, reason } = incoming;
    let damaged = |what| SystemError::Damaged { what };
    let (digest, bytes) = encode(manifest).map_err(damaged)?;
    let tree = Tree::new(manifest.clone(), accounts.clone());
    Ok(match tree {
        Ok(tree) => Ok(Install { digest, bytes, tree: Arc::new(tree), reason: *reason }),
        Err(account) => Err(Problem::NoAccount { package: manifest.name.clone(), account }),
    })
}
