//! Names, digests, manifests and outcomes: the vocabulary every other crate shares.
//!
//! A leaf: it does no I/O, knows no clock and no path of the host. Two rules hold for every type here.
//! 1. A value that exists is valid: names and versions are checked when they are made, also by serde.
//! 2. Text forms are canonical: `parse(x.to_string()) == x`, and equal values have equal bytes.

pub mod capability;
pub mod comparison;
pub mod digest;
mod escape;
pub mod manifest;
pub mod metrics;
pub mod name;
mod order;
pub mod outcome;
pub mod package;
pub mod phase;
pub mod requirement;
pub mod suggest;
pub mod suite;
pub mod triplet;
pub mod units;
pub mod version;

pub use capability::{Capability, CapabilityKind, CapabilityName};
pub use comparison::{Comparison, Op};
pub use digest::{Digest, Hasher};
pub use manifest::{Entry, Kind, Manifest, Xattr};
pub use metrics::Metrics;
pub use name::{Name, NameError, StepId};
pub use outcome::{Failure, FailureClass, JobState, StepState};
pub use package::{Dependency, DependencyKind, PackageFields, PackageManifest, PackagePath};
pub use phase::{Phase, PhaseError, Stage};
pub use requirement::{Constraint, Requirement, Target};
pub use suite::{TestLevel, TestLevelError, Tested};
pub use triplet::Triplet;
pub use version::{Upstream, Version};
