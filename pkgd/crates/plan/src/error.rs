//! Why there is no plan.

use core::fmt;

use minos_model::StepId;
use minos_recipe::TargetError;

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// The target names no group and no step.
    Target(TargetError),
    /// A step depends on one that no recipe provides.
    Missing {
        /// What is missing.
        step: StepId,
        /// Who needs it; `None` when the target itself is missing.
        needed_by: Option<Box<StepId>>,
        /// The nearest name that exists.
        near: Option<String>,
    },
    /// Steps depend on each other in circles. Each starts with its smallest name; in `[a, b]`,
    /// a depends on b and b on a.
    Cycles(Vec<Vec<StepId>>),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(error) => error.fmt(f),
            Self::Missing { step, needed_by, near } => {
                match needed_by {
                    Some(by) => write!(f, "{by} needs '{step}', and no recipe provides it; ")?,
                    None => write!(f, "no recipe provides '{step}'; ")?,
                }
                match near {
                    Some(near) => write!(f, "did you mean '{near}'?"),
                    None => f.write_str("'pkgctl recipe lint' tells whether its recipe is broken"),
                }
            }
            Self::Cycles(cycles) => {
                f.write_str("steps depend on each other: ")?;
                for (i, cycle) in cycles.iter().enumerate() {
                    let gap = if i == 0 { "" } else { "; " };
                    let names = cycle.iter().chain(cycle.first()).map(StepId::to_string);
                    write!(f, "{gap}{}", names.collect::<Vec<_>>().join(" -> "))?;
                }
                f.write_str("; break the circle, for example by a separate pass")
            }
        }
    }
}

impl std::error::Error for PlanError {}

impl From<TargetError> for PlanError {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}
