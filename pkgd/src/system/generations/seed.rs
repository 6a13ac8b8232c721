//! A generation as the seed: the packages of a system that was built here build the next one.
//!
//! What builds see is a sysroot of exactly these packages, mounted read-only, and not the generation's root: what was
//! edited in `/etc` or made by triggers there is no part of any package, and could not be named in a task key.

use std::fmt::Display;
use std::path::Path;

use minos_model::{Digest, Hasher, Name};
use minos_proto::{ErrorKind, ErrorReport};
use minos_store::{Installed, SysrootMode};

use super::mounts;
use crate::seed::Seed;
use crate::service::state_error;
use crate::system::Packages;
use crate::system::boot::{Programs, Root};
use crate::system::errors::{not_found, on_file, system_error};

/// The name of the sysroot. There is one, made anew at each start.
const NAME: &str = "minos-seed";
/// What the digest of such a seed begins with, so that it is no digest of another kind.
const SCHEMA: &[u8] = b"minos-seed-of-packages 1";
/// Programs that every build stands on, each with the package that has it in the book (LFS 2.2, without what only some
/// recipes need).
const NEEDED: [(&str, &str); 20] = [
    ("bash", "bash"),
    ("sh", "bash"),
    ("ar", "binutils"),
    ("as", "binutils"),
    ("ld", "binutils"),
    ("cat", "coreutils"),
    ("cp", "coreutils"),
    ("install", "coreutils"),
    ("sort", "coreutils"),
    ("diff", "diffutils"),
    ("find", "findutils"),
    ("awk", "gawk"),
    ("g++", "gcc"),
    ("gcc", "gcc"),
    ("grep", "grep"),
    ("gzip", "gzip"),
    ("make", "make"),
    ("sed", "sed"),
    ("tar", "tar"),
    ("xz", "xz"),
];
/// Complaints told of one seed.
const TOLD: usize = 6;

impl Packages {
    /// The packages of a generation as the seed. Its identity is what they are, not which generation it is: the same
    /// packages in another state are the same seed.
    ///
    /// # Errors
    /// There is no such generation; programs that builds need are missing; it cannot be mounted read-only.
    pub fn seed(&self, generation: u64) -> Result<Seed, ErrorReport> {
        let read = self.store.read().map_err(|e| state_error(&e))?;
        let packages = read.packages_of(generation).map_err(|e| state_error(&e))?;
        if packages.is_empty() {
            let what = format!("the seed is to be generation {generation}, which is not there");
            return Err(not_found(
                what,
                "'pkgctl generations' shows all; start pkgd with another --seed",
            ));
        }
        let members: Vec<Digest> = packages.iter().map(|one| one.package.digest).collect();
        let name: Name = NAME.parse().map_err(|e| on_file("name", NAME.as_ref(), &e))?;
        let at = self.path("sysroots").join(NAME);
        let shown = |e: &dyn Display| on_file("show the seed read-only as", &at, e);
        mounts::hide(&at).map_err(|e| shown(&e))?;
        let made = self.system()?.compose(&members, &name, SysrootMode::Hardlink);
        let made = made.map_err(|e| system_error(&e))?;
        mounts::show(&made.path, &at).map_err(|e| shown(&e))?;
        usable(generation, &at)?;
        Ok(Seed { dir: at, digest: identity(&packages) })
    }

    /// The sysroot of the seed is not for users: builds stand on it.
    ///
    /// # Errors
    /// It is the one of this name, and in use.
    pub(in crate::system) fn not_the_seed(&self, name: &Name) -> Result<(), ErrorReport> {
        match self.seed {
            Some(generation) if name.to_string() == NAME => Err(ErrorReport::new(
                ErrorKind::Conflict,
                format!("the sysroot {NAME} is generation {generation}, on which pkgd builds"),
                "start pkgd with another --seed first",
            )),
            _ => Ok(()),
        }
    }
}

/// The digest of the packages' manifests, which have the digests of all files.
fn identity(packages: &[Installed]) -> Digest {
    let mut members: Vec<&Digest> = packages.iter().map(|one| &one.package.digest).collect();
    members.sort_unstable();
    let mut hash = Hasher::new();
    hash.field(SCHEMA);
    members.iter().for_each(|digest| hash.field(digest.as_bytes()));
    hash.finish()
}

/// Whether the programs that every build needs can be started in `root`.
fn usable(generation: u64, root: &Path) -> Result<(), ErrorReport> {
    let opened = Root::open(root).map_err(|e| on_file("open", root, &e))?;
    let mut programs = Programs::new(&opened);
    let mut lacks = Vec::new();
    for (program, package) in NEEDED {
        if let Err(why) = programs.check(&format!("/usr/bin/{program}")) {
            lacks.push(format!("{why} ({package})"));
        }
    }
    if lacks.is_empty() {
        return Ok(());
    }
    let more = lacks.len().saturating_sub(TOLD);
    lacks.truncate(TOLD);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let what = format!("generation {generation} cannot be a seed: {}{more}", lacks.join("; "));
    let hint = "install these packages, and start pkgd with the generation that has them";
    Err(ErrorReport::new(ErrorKind::Machine, what, hint))
}
