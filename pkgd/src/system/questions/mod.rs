//! Questions about packages and paths, and whether the system is as its packages say.

pub(super) mod contained;
pub(super) mod edited;
pub(super) mod history;
pub(super) mod look;
pub(super) mod paths;
pub(super) mod verify;
