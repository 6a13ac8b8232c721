//! The durable state of pkgd: what was asked, what was tried, what exists.
//!
//! Principles
//! 1. **Bytes before rows.** A row that names a tree or a log is committed only after the bytes it
//!    names were placed and synced; nothing else is ever believed. See [`Store::place_output`] for
//!    the order the caller keeps.
//! 2. **One write, one commit.** Everything that belongs together is done in one closure given to
//!    [`Store::write`]; either all of it survives a power cut or none.
//! 3. **One owner.** pkgd's engine thread makes all writes. [`Store`] may be shared between threads
//!    and stays correct (a second writer waits), but two writers would make each other slow.
//!    Readers take a [`Snapshot`] on any thread and never wait.
//! 4. **First error ends it.** After an I/O error, or a row that is damaged, every further write returns
//!    [`StoreError::Latched`] with the first cause; the way out is to repair the cause and restart.
//! 5. **Nothing is overwritten.** Logs are made with `create_new`, outputs are moved into place under
//!    their digest, and what is no longer named goes to `trash/` before it is deleted.
//!
//! The crate reads no clock and no environment: every time is passed in, in milliseconds since the
//! Unix epoch. Layout of the folder and of every row: `docs/formats/state.md`.

mod audit;
mod build;
mod check;
mod comparison;
mod db;
mod error;
pub mod fs;
mod generations;
mod guard;
mod jobs;
mod journal;
mod layout;
mod lock;
pub mod log;
mod maintain;
mod objects;
mod outputs;
mod packages;
mod repair;
mod rows;
mod schema;
mod snapshot;
mod suites;
mod sweep;
mod table;
mod transaction;
mod write;

pub use audit::{AuditEntry, Peer};
pub use build::{AttemptEnd, CommitOutput, Committed, Finish, PhaseDone};
pub use check::CheckReport;
pub use comparison::CommitComparison;
pub use db::{Options, Store};
pub use error::StoreError;
pub use generations::{
    ConfigOutcome, GenerationRow, HoldRow, Installed, IntentRow, MarkRow, Member, Outcome, OwnFile,
    OwnKind, OwnRow, PackageChange, Reason, TransactionKind, TransactionRow,
};
pub use layout::Layout;
pub use log::{LogReader, LogWriter};
pub use maintain::{
    BackupReport, Collected, Composed, ConfigFinding, ConfigState, Depth, Exported, Fault, Finding,
    Foreign, Rebuilt, Repaired, Retention, SysrootMode, Verified,
};
pub use objects::ObjectId;
pub use outputs::Placed;
pub use packages::{Accounts, ConfigFile, Node, PackageRow, PathRow};
pub use rows::{
    AttemptRow, AuditRow, CacheRow, CheckpointRow, ComparisonRow, EventRow, HistoryRow, JobRow,
    Layer, OutputRow, Sample, StepRow, SuiteRow,
};
pub use schema::set_back;
pub use snapshot::Snapshot;
pub use suites::CommitSuite;
pub use sweep::SweepReport;
pub use transaction::{
    Applied, ContentSource, DEFAULT_KEEP, Incoming, Made, MadeNode, NoTriggers, PathDifference,
    Plan, PlanInstall, PlannedChange, Problem, Request, Settled, Sink, Staged, System, SystemError,
    SystemOptions, Triggers,
};
pub use write::Write;
