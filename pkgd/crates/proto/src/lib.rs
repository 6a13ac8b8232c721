//! Requests, replies, events and the frames that carry them.
//!
//! The same frames run over the Unix socket of pkgd, over the virtio-console ports of the appliance
//! and over a second UART on bare hardware. `docs/formats/frames.md` defines them byte by byte.
//!
//! Rules that keep old and new programs apart instead of confused:
//! - a connection starts with [`Hello`] and [`Welcome`]; a different [`VERSION`] ends it with a clear error;
//! - enum variants are only ever added at the end, never removed or reordered (postcard numbers them);
//! - nothing in a frame is trusted: length and checksum are checked before a byte is decoded.

pub mod boot;
pub mod bootnext;
pub mod bootplan;
pub mod bootrec;
pub mod control;
pub mod event;
pub mod frame;
pub mod packages;
pub mod report;
pub mod request;
pub mod sheet;

pub use boot::{BootEvent, BootPhase, Standing};
pub use bootnext::BootNext;
pub use bootplan::BootPlan;
pub use control::{ErrorKind, ErrorReport, Hello, Role, Welcome};
pub use event::{Clobbers, Event, EventBody, Recorded, RunningStep, Verdict};
pub use frame::{Frame, FrameError, Tag};
pub use minos_model::TestLevel;
pub use packages::{
    DatabaseTask, ImageWish, KeyChange, Listing, PackageRequest, Progress, Proposal,
    RepositoryChange, Wish,
};
pub use report::{
    Attempt, AuditLine, Changing, Check, CheckState, JobReport, LintReport, Loss, PlanReport,
    PlanStep, RecipeReport, Status, StepReport, VerifyReport,
};
pub use request::{BuildOptions, Reply, Request};
pub use sheet::{Column, Field, Grid, Sheet};

/// The version of everything in this crate. Raised with each change that an older peer would misread.
pub const VERSION: u16 = 9;
