//! The machine's boots, as far as pkgd has a say in them: which generation it runs, which one is to boot next.
//!
//! The boot record is init's alone and only read here. What pkgd wants goes into `boot/next`, which init obeys once.

use std::path::{Path, PathBuf};

use minos_proto::bootrec::{self, Record};
use minos_proto::{BootNext, ErrorKind, ErrorReport, bootnext};

use crate::system::files;

/// The generation that was asked for last because it became the current one, as text.
const ASKED: &str = "boot/asked";
/// The boot of which the audit trail has the sentence about the last one, as text.
const TOLD: &str = "boot/told";

/// The boots of the machine that pkgd runs on.
pub struct Machine {
    root: PathBuf,
    /// It has an init that obeys.
    appliance: bool,
    booted: Option<u64>,
}

impl Machine {
    /// The machine whose state is at `root`.
    pub fn new(root: &Path, appliance: bool) -> Self {
        let told = std::env::var("MINOS_GENERATION").ok().and_then(|text| text.parse().ok());
        let booted = told.filter(|_| appliance);
        Self { root: root.to_owned(), appliance, booted }
    }

    /// The generation that the machine runs; none where it runs no generation.
    pub fn booted(&self) -> Option<u64> {
        self.booted.filter(|generation| *generation > 0)
    }

    /// Whether there is an init that obeys.
    pub fn is_appliance(&self) -> bool {
        self.appliance
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// What init has written down of this boot; nothing where there is no init, or no record that can be read.
    pub fn record(&self) -> Option<Record> {
        let bytes = std::fs::read(self.path(bootrec::PATH)).ok().filter(|_| self.appliance)?;
        bootrec::read(&bytes).record
    }

    /// What was asked of init and is not obeyed yet.
    pub fn pending(&self) -> Option<BootNext> {
        let bytes = std::fs::read(self.path(bootnext::PATH)).ok().filter(|_| self.appliance)?;
        let obeyed = self.record().map_or(0, |record| record.obeyed);
        BootNext::decode(&bytes).filter(|next| next.mark() != obeyed)
    }

    /// Generations whose roots the machine may need at the next boot, or has mounted.
    pub fn in_use(&self) -> Vec<u64> {
        let recorded = self.record().map(|record| [record.generation, record.fallback]);
        let asked = self.pending().map(|next| next.generation);
        let all = self.booted().into_iter().chain(recorded.into_iter().flatten()).chain(asked);
        all.filter(|generation| *generation > 0).collect()
    }

    /// Asks init to boot a generation next time; durable when it returns.
    ///
    /// # Errors
    /// There is no init to ask; the request cannot be written.
    pub fn boot_next(&self, generation: u64, proven: bool, tries: u8) -> Result<(), ErrorReport> {
        if !self.appliance {
            return Err(ErrorReport::new(
                ErrorKind::Conflict,
                "this pkgd runs on a host: the machine does not boot its generations",
                "'pkgctl switch' makes a generation the current one",
            ));
        }
        files::folder(&self.path("boot"))?;
        let next = BootNext { generation, proven, tries: tries.max(1), id: files::random()? };
        files::replace(&self.path(bootnext::PATH), &next.encode(), 0o600)
    }

    /// The generation that was asked for last because it became the current one.
    pub fn asked(&self) -> Option<u64> {
        self.number(ASKED)
    }

    /// Remembers that a generation, which is the current one, was asked for.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_asked(&self, generation: u64) -> Result<(), ErrorReport> {
        self.set_number(ASKED, generation)
    }

    /// The boot whose start the audit trail has.
    pub fn told(&self) -> Option<u64> {
        self.number(TOLD)
    }

    /// Remembers that the audit trail has the start of this boot.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_told(&self, boot: u64) -> Result<(), ErrorReport> {
        self.set_number(TOLD, boot)
    }

    fn number(&self, name: &str) -> Option<u64> {
        std::fs::read_to_string(self.path(name)).ok()?.trim().parse().ok()
    }

    fn set_number(&self, name: &str, number: u64) -> Result<(), ErrorReport> {
        files::folder(&self.path("boot"))?;
        files::replace(&self.path(name), format!("{number}\n").as_bytes(), 0o600)
    }
}
