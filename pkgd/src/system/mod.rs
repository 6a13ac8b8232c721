//! The package manager: repositories, keys, plans and generations, as requests ask for them.
//!
//! What only looks is answered from a snapshot, by any connection. What changes the system is done by the
//! connection that asked, one at a time ([`Turn`]); the engine goes on building meanwhile. All
//! that is written goes through [`minos_store::System`], so a kill leaves the system of before or of after.

mod boot;
mod change;
mod database;
mod errors;
mod files;
mod generations;
mod questions;
mod repositories;
mod triggers;

use std::path::PathBuf;
use std::sync::Arc;

use minos_proto::{Changing, ErrorKind, ErrorReport, PackageRequest, Progress, Reply, Sheet};
use minos_store::fs::RealFs;
use minos_store::{Store, System, SystemOptions};

use crate::config::{Args, SeedPlace};
use crate::engine::Command;
use crate::service::{Peer, Service};
use boot::Machine;
pub use boot::boots;
use change::plans::Plans;
use change::turn::{Held, Turn};
use change::universe::Cache;
use errors::system_error;
use generations::sysroots;
use repositories::Repositories;
use repositories::keys::Keys;
use repositories::published::Look;
pub use triggers::batch::run_if_batch as run_if_trigger;

/// Told how far a change is.
pub type Tell<'a> = &'a dyn Fn(Progress);

/// What the package manager keeps open.
pub struct Packages {
    store: Arc<Store>,
    fs: RealFs,
    keys: Keys,
    repositories: Repositories,
    plans: Plans,
    cache: Cache,
    turn: Turn,
    machine: Machine,
    /// The generation whose packages are the seed: it is not collected.
    seed: Option<u64>,
    now: fn() -> u64,
}

impl Packages {
    /// The package manager of the state `store` belongs to. Ends what a kill interrupted.
    ///
    /// # Errors
    /// The state root cannot be opened, or an interrupted transaction cannot be ended; in words.
    pub fn open(store: Arc<Store>, args: &Args, now: fn() -> u64) -> Result<Self, String> {
        let root = store.layout().root().to_owned();
        let fs = RealFs::new(&root).map_err(|e| format!("{}: {e}", root.display()))?;
        let packages = Self {
            fs,
            keys: Keys::new(root.join("keys")),
            repositories: Repositories::new(&root),
            plans: Plans::new(root.join("plans")),
            cache: Cache::default(),
            turn: Turn::default(),
            machine: Machine::new(&root, args.appliance),
            seed: match args.seed {
                SeedPlace::Generation(number) => Some(number),
                SeedPlace::Path(_) => None,
            },
            now,
            store,
        };
        let settled = packages.system().and_then(|s| s.settle(&now).map_err(|e| system_error(&e)));
        settled.map_err(|e| e.to_string())?;
        sysroots::show_all(packages.store.layout().root());
        // A pkgd that cannot follow (a full disk) is of more use than none: the next start tries again.
        if let Err(e) = packages.follow(args.last_boot.as_deref(), &now) {
            eprintln!("pkgd: what init wrote down of the last boot cannot be followed: {e}");
        }
        Ok(packages)
    }

    /// Takes back what the machine holds of it: the mounts of sysroots. What is kept goes along into the generation that
    /// boots next: a password may have been changed since that was made.
    pub fn close(&self) {
        if let Some(next) = self.machine.pending().filter(|next| next.generation > 0)
            && let Err(e) = self.hand_over(next.generation)
        {
            let number = next.generation;
            eprintln!("pkgd: generation {number} has accounts and keys as it was made with: {e}");
        }
        sysroots::hide_all(self.store.layout().root());
    }

    fn hand_over(&self, next: u64) -> Result<(), ErrorReport> {
        let _changing = self.turn.take()?;
        self.system()?.hand_over(next).map_err(|e| system_error(&e))
    }

    fn system(&self) -> Result<System<'_>, ErrorReport> {
        let in_use = self.machine.in_use().into_iter().chain(self.seed).collect();
        let options =
            SystemOptions { in_use, runs: self.machine.booted(), ..SystemOptions::default() };
        System::new(&self.store, &self.fs, options).map_err(|e| system_error(&e))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.store.layout().root().join(name)
    }

    /// The right to change the system, as long as the guard lives.
    fn changing(&self) -> Result<Held<'_>, ErrorReport> {
        if self.is_forgotten()? {
            return Err(ErrorReport::new(
                ErrorKind::Conflict,
                "there are generations that the database knows nothing of",
                "'pkgctl db rebuild' makes their rows anew; a change now would take them away",
            ));
        }
        let changing = self.turn.take()?;
        // What is proven since must not be taken for a root to build the next one on.
        self.mark_proven(&self.now)?;
        Ok(changing)
    }

    /// The database was lost, or set back to an older one, and the generations were not.
    fn is_forgotten(&self) -> Result<bool, ErrorReport> {
        let forgotten = self.system()?.forgotten().map_err(|e| system_error(&e))?;
        Ok(!forgotten.is_empty())
    }

    /// The change that runs now: what `status` tells.
    pub fn now_changing(&self) -> Option<Changing> {
        self.turn.changing()
    }
}

/// A request on its way.
pub struct Asked<'a> {
    service: &'a Service,
    packages: &'a Packages,
    peer: &'a Peer,
    tell: Tell<'a>,
}

/// Answers a request to the package manager.
///
/// # Errors
/// What failed and what to do, for the client to show.
pub fn handle(
    service: &Service,
    request: PackageRequest,
    peer: &Peer,
    tell: Tell<'_>,
) -> Result<Reply, ErrorReport> {
    let asked = Asked { service, packages: &service.packages, peer, tell };
    if let PackageRequest::Propose(wish) = request {
        return asked.propose(&wish).map(Reply::Proposal);
    }
    asked.sheet(request).map(Reply::Sheet)
}

impl<'a> Asked<'a> {
    fn sheet(&self, request: PackageRequest) -> Result<Sheet, ErrorReport> {
        use PackageRequest as R;
        match request {
            R::Propose(_) => Ok(Sheet::default()),
            R::Apply { plan } => self.apply(&plan),
            R::Plans { plan } => self.plans(plan.as_deref()),
            R::Search { text } => self.search(&text),
            R::Info { names } => self.info(&names),
            R::List(listing) => self.list(listing),
            R::Files { name } => self.files(&name),
            R::Owner { paths, available } => self.owner(&paths, available),
            R::Depends { name, reverse, all } => self.depends(&name, reverse, all),
            R::Why { name } => self.why(&name),
            R::Verify { names, quick, repair, booted: true } => {
                self.verify_booted(&names, quick, repair)
            }
            R::Verify { names, quick, repair, .. } => self.verify(&names, quick, repair),
            R::Hold { names, release, note } => self.hold(&names, release, &note),
            R::Generations => self.generations(),
            R::Switch { generation, dry_run } => self.switch(generation, dry_run),
            R::Rollback { steps, dry_run } => self.rollback(steps, dry_run),
            R::Diff { from, to, files } => self.diff(from, to, files),
            R::Pin { generation, release, note } => self.pin(generation, release, &note),
            R::Collect { dry_run, keep, only } => self.collect(dry_run, keep, only),
            R::History { limit, package } => self.history(limit, package.as_deref()),
            R::Sysroot { name, packages, writable } => self.sysroot(&name, &packages, writable),
            R::Sysroots => self.sysroots(),
            R::Keys(change) => self.keys(change),
            R::Repositories(change) => self.repositories(change),
            R::Database(task) => self.database(&task),
            R::Pack { targets } => self.pack(&targets),
            R::Boot { generation, tries } => self.boot(generation, tries),
            R::Image(wish) => self.image(&wish),
            R::Contained { target } => self.contained(&target),
            R::Take { paths } => self.take(&paths),
        }
    }

    fn system(&self) -> Result<System<'a>, ErrorReport> {
        self.packages.system()
    }

    /// User and process of who asked, as the history has it.
    fn by(&self) -> Option<(u32, u32)> {
        Some((self.peer.uid, u32::try_from(self.peer.pid).unwrap_or(0)))
    }

    /// Writes down who asks for what, before it is done.
    fn audit(&self, what: String) -> Result<(), ErrorReport> {
        self.packages.turn.name(&what, self.by().unwrap_or_default());
        let peer = self.peer.clone();
        self.service.ask(|reply| Command::Audit { what, peer, reply }).map(|_| ())
    }

    /// What looks at repositories, as whoever asked trusts them and now.
    fn look(&self, allow_expired: bool) -> Result<Look, ErrorReport> {
        let now_s = self.service.now_ms() / 1000;
        Ok(Look { trust: self.packages.keys.load()?, now_s, allow_expired })
    }

    fn progress(&self, stage: &str, subject: Option<String>, done: u64, total: u64) {
        self.pass_on(Progress { stage: stage.to_owned(), subject, done, total });
    }

    /// Tells the client, and whoever asks how far the change is.
    fn pass_on(&self, progress: Progress) {
        self.packages.turn.reached(&progress);
        (self.tell)(progress);
    }
}
