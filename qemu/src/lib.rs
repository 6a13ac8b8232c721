//! Starts the appliance in QEMU, speaks to it, and injects faults.
//!
//! A [`machine::Machine`] is a description; [`vm::Vm::start`] makes it run; [`watch::watch`] runs it
//! unattended and says in an [`ending::Ending`] how it ended. What the guest says is taken from
//! frames and from QEMU's monitor; the text of its console only explains.

pub mod accel;
pub mod arguments;
pub mod boot;
pub mod console;
pub mod control;
pub mod dir;
pub mod ending;
pub mod error;
pub mod machine;
pub mod nbd;
pub mod observe;
pub mod panic;
mod process;
pub mod progress;
pub mod qmp;
pub mod serial;
pub mod signals;
mod sys;
pub mod talk;
pub mod vm;
pub mod volatile;
pub mod watch;

pub use accel::Choice;
pub use ending::{Ending, Evidence, Status};
pub use error::Error;
pub use machine::{Disk, Machine};
pub use observe::Observation;
pub use vm::{Start, Vm};
pub use volatile::{CutAt, Survivors};
pub use watch::{Limits, Order, Report, watch};
