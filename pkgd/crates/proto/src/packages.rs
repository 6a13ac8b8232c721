//! What a client may ask of the package manager.
//!
//! Changing the system takes two requests: [`PackageRequest::Propose`] answers with what would be done and the
//! number of a plan that pkgd keeps; [`PackageRequest::Apply`] carries out exactly that plan, or refuses because
//! the system is no longer the one it was made for. Everything that reads answers with a [`Sheet`].

use minos_model::Digest;
use serde::{Deserialize, Serialize};

use crate::sheet::Sheet;

/// What is wanted of the set of installed packages. Names may have a requirement behind them
/// (`zlib>=1.3`) and optional groups (`git[docs]`), where a new version is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// To be there, because asked for.
    pub install: Vec<String>,
    /// Names among `install` that come in the version asked for, and are not bound to it afterwards.
    pub unbound: Vec<String>,
    /// To be gone.
    pub remove: Vec<String>,
    /// To be as new as can be.
    pub update: Vec<String>,
    /// All of them as new as can be.
    pub upgrade: bool,
    /// What nobody asked for and nothing needs is to go.
    pub autoremove: bool,
    /// An older version may come for what `install` names.
    pub downgrade: bool,
    /// Change held packages too.
    pub ignore_holds: bool,
    /// Installed packages that count as asked for from now on. Their versions stay.
    pub asked: Vec<String>,
    /// Installed packages that count as needed by others only. They stay until `autoremove`.
    pub needed: Vec<String>,
    /// Installed packages to be exchanged for those of the same version that a repository offers now, where they were
    /// built anew.
    pub exchange: Vec<String>,
}

/// Which packages `List` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listing {
    /// The installed ones.
    Installed,
    /// Those that were asked for.
    Asked,
    /// Those that nobody asked for and nothing needs.
    Unneeded,
    /// Those with a newer version in a repository.
    Outdated,
    /// Those that are held.
    Held,
    /// Those of the repositories.
    Available,
}

/// A change of the keys that packages may be signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyChange {
    /// Trust the key of this file's text (minisign or signify).
    Trust {
        /// The text of the public key file.
        text: String,
    },
    /// Never trust this key again.
    Revoke {
        /// Its key id, hexadecimal, or a beginning of it of at least 8 digits that only one key has.
        id: String,
        /// Only say which key it is, and how many packages are signed by it.
        dry_run: bool,
    },
}

/// A change of the folders packages come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RepositoryChange {
    /// Take packages from this folder of the machine that pkgd runs on, or from where one is published.
    Add {
        /// A name for it: small letters, digits, `-`.
        name: String,
        /// The folder, an absolute path; or addresses that have the same, with a space between them.
        path: String,
        /// Where several have a package, the highest priority wins.
        priority: i32,
    },
    /// Take none from it any more. What is installed stays.
    Remove {
        /// Its name.
        name: String,
    },
    /// Fetch what is new and look at all folders again.
    Sync {
        /// Also offer what stands in lists that have expired.
        allow_expired: bool,
    },
}

/// Care of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DatabaseTask {
    /// Write a copy to this absolute path, which must not exist.
    Backup {
        /// The file.
        path: String,
    },
    /// Whether rows agree with each other and with the store.
    Verify,
    /// Make the tables of packages and generations anew from the manifests in the store.
    Rebuild,
}

/// A disk that boots a generation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageWish {
    /// The generation.
    pub generation: u64,
    /// Where: a file that is not there yet, or a whole disk. An absolute path of the machine that pkgd runs on.
    pub disk: String,
    /// The serial number of the disk, or its name where the kernel knows none: what is on it will be lost.
    pub serial: Option<String>,
    /// Length of a new file in bytes; 0 is what is needed.
    pub bytes: u64,
    /// A unified kernel image; by default `/boot/minos.efi` of the generation.
    pub efi: Option<String>,
}

/// One request to the package manager. All but `Propose` are answered with a sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PackageRequest {
    /// What would be done. Changes nothing, but keeps the plan of a client that may carry it out. Idempotent.
    Propose(Wish),
    /// Carries out a plan that `Propose` made, exactly or not at all. Progress comes before the reply.
    Apply {
        /// The plan's digest, or a beginning of at least 8 digits that only one kept plan has.
        plan: String,
    },
    /// The kept plans, or one of them in full.
    Plans {
        /// Digest of one, or a beginning of it.
        plan: Option<String>,
    },
    /// Packages of the repositories whose name or description has each of these words.
    Search {
        /// The words, with blanks between.
        text: String,
    },
    /// All about packages: installed or of the repositories.
    Info {
        /// Their names.
        names: Vec<String>,
    },
    /// A list.
    List(Listing),
    /// The files of a package: of the installed one, else of the newest of the repositories.
    Files {
        /// Its name.
        name: String,
    },
    /// Which packages have these paths.
    Owner {
        /// Absolute paths in the installed system.
        paths: Vec<String>,
        /// Ask the packages of the repositories instead of the installed ones.
        available: bool,
    },
    /// What a package needs; with `reverse` what needs it.
    Depends {
        /// Its name.
        name: String,
        /// What needs it.
        reverse: bool,
        /// All the way, not only the next.
        all: bool,
    },
    /// Why a package is installed, or is not.
    Why {
        /// Its name, with a requirement where a version is meant.
        name: String,
    },
    /// Whether files are as their packages say.
    Verify {
        /// Only these packages; empty takes all.
        names: Vec<String>,
        /// Look at kind, size, owner and mode only.
        quick: bool,
        /// Put back what the store has.
        repair: bool,
        /// Of the generation that the machine runs, which need not be the current one; not to be repaired.
        booted: bool,
    },
    /// Holds packages in their version, or lets go of them.
    Hold {
        /// Their names; empty lists what is held.
        names: Vec<String>,
        /// Lets go.
        release: bool,
        /// Why, for those who wonder later.
        note: String,
    },
    /// The generations, newest first.
    Generations,
    /// Makes a generation the current one.
    Switch {
        /// Its number.
        generation: u64,
        /// Only say what would change.
        dry_run: bool,
    },
    /// Goes back so many generations from the current one.
    Rollback {
        /// How many; 1 is the one before.
        steps: u32,
        /// Only say what would change.
        dry_run: bool,
    },
    /// What differs between two generations.
    Diff {
        /// One; `None` is the one before the current.
        from: Option<u64>,
        /// The other; `None` is the current.
        to: Option<u64>,
        /// Also every path.
        files: bool,
    },
    /// Keeps a generation from being collected, or no longer.
    Pin {
        /// Its number.
        generation: u64,
        /// No longer.
        release: bool,
        /// Why.
        note: String,
    },
    /// Takes away generations that the policy no longer keeps, and contents that nothing names.
    Collect {
        /// Only say what would go.
        dry_run: bool,
        /// The newest generations to keep; `None` is the policy's number.
        keep: Option<u32>,
        /// Only this generation goes, whatever the policy says of it and of others.
        only: Option<u64>,
    },
    /// What was done to the system, newest first.
    History {
        /// At most this many; 0 takes 100.
        limit: u32,
        /// Only what touched this package; or the number of one change, which is told in full.
        package: Option<String>,
    },
    /// A root with exactly these packages and what they need.
    Sysroot {
        /// Its name; it is `sysroots/NAME` below the state root. Or an absolute path, where a link to it is
        /// made; once that link is gone, the next collection takes the sysroot away.
        name: String,
        /// The packages; empty takes the sysroot away.
        packages: Vec<String>,
        /// Files of its own instead of links into the store.
        writable: bool,
    },
    /// The sysroots.
    Sysroots,
    /// Keys: the change, or with `None` the list.
    Keys(Option<KeyChange>),
    /// Repositories: the change, or with `None` the list.
    Repositories(Option<RepositoryChange>),
    /// Care of the database.
    Database(DatabaseTask),
    /// Makes packages of outputs that are in the store, signs them with the machine's key and puts them into
    /// the machine's own repository.
    Pack {
        /// Steps, groups or `STAGE/NAME`, as for a build.
        targets: Vec<String>,
    },
    /// Boots a generation next time, whichever is current. On an appliance only.
    Boot {
        /// Its number; 0 is the initramfs itself.
        generation: u64,
        /// How often it may be tried when it is not proven; 0 is the usual number.
        tries: u8,
    },
    /// Makes a disk that boots a generation, with a state of its own. Progress comes before the reply.
    Image(ImageWish),
    /// Whether what was built of a target without the seed needs nothing else: no path of the seed in it, every loader,
    /// library and interpreter in one of its outputs. Progress comes before the reply. Idempotent.
    Contained {
        /// Steps, groups or `STAGE/NAME`, as for a build.
        target: String,
    },
    /// Copies package files into the machine's own repository, so that they can be installed. Each must be signed by a
    /// trusted key.
    Take {
        /// Absolute paths of the machine that pkgd runs on.
        paths: Vec<String>,
    },
}

impl PackageRequest {
    /// Whether the request changes anything, and so needs [`crate::Role::Admin`].
    pub const fn changes(&self) -> bool {
        match self {
            Self::Apply { .. }
            | Self::Boot { .. }
            | Self::Image(_)
            | Self::Pin { .. }
            | Self::Keys(Some(KeyChange::Trust { .. }))
            | Self::Repositories(Some(_))
            | Self::Pack { .. }
            | Self::Take { .. }
            // Reads files of any user's choice, or writes beside the state.
            | Self::Sysroot { .. }
            | Self::Database(_) => true,
            Self::Verify { repair, .. } => *repair,
            Self::Keys(Some(KeyChange::Revoke { dry_run, .. })) => !*dry_run,
            Self::Hold { names, .. } => !names.is_empty(),
            Self::Switch { dry_run, .. }
            | Self::Rollback { dry_run, .. }
            | Self::Collect { dry_run, .. } => !*dry_run,
            _ => false,
        }
    }
}

/// The answer to [`PackageRequest::Propose`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The plan; `None` when there is nothing to do, or for a client that may change nothing.
    pub plan: Option<Digest>,
    /// What it does, for the person who decides. It alarms where there is something to do that this client may not have
    /// done.
    pub sheet: Sheet,
}

/// How far a change of the system is; sent before the reply. The last one comes again at least every five seconds while
/// nothing new is to be told: silence means that pkgd is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is done now: `looking`, `fetching` (of which `done` and `total` are KiB), `checking`, `unpacking`,
    /// `staging`, `triggers`, `switching`, `packing`; `working` before anything is known.
    pub stage: String,
    /// The package, step or program (of `triggers`) it is at, where it is at one.
    pub subject: Option<String>,
    /// So many of `total` are done.
    pub done: u64,
    /// Of so many; 0 where nobody knows.
    pub total: u64,
}

impl Progress {
    /// Something is done, and nothing is known of it yet.
    pub fn working() -> Self {
        Self { stage: "working".to_owned(), subject: None, done: 0, total: 0 }
    }
}
