//! Disks that boot: what is written to one from outside, and the growing of one from inside.
//!
//! It knows partitions and file systems, and nothing of what is in them. The caller says what goes where.

pub mod error;
pub mod esp;
pub mod ext4;
pub mod grow;
mod staged;
mod sys;
pub mod table;
pub mod target;

pub use error::DiskError;
pub use grow::{Grown, grow};
pub use table::{Extent, Kind, Part};
pub use target::Target;
