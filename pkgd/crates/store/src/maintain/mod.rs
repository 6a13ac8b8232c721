//! Keeping a store whole and small: collecting, verifying, repairing, composing roots, backups.

mod backup;
mod check;
mod collect;
mod config;
mod export;
mod foreign;
mod rebuild;
mod repair;
mod sysroot;
mod verify;

pub use backup::BackupReport;
pub use collect::{Collected, Retention};
pub use config::{ConfigFinding, ConfigState};
pub use export::Exported;
pub use foreign::Foreign;
pub(crate) use foreign::{Parted, is_foreign};
pub use rebuild::Rebuilt;
pub use repair::Repaired;
pub use sysroot::{Composed, SysrootMode};
pub use verify::{Depth, Fault, Finding, Verified};
