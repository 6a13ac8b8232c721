//! Changes of the system: from what is wanted to a plan, and from a plan to the next generation.

pub(super) mod accounts;
pub(super) mod actions;
pub(super) mod apply;
pub(super) mod contents;
pub(super) mod holds;
pub(super) mod kept_back;
pub(super) mod plans;
pub(super) mod propose;
pub(super) mod stages;
pub(super) mod turn;
pub(super) mod universe;
