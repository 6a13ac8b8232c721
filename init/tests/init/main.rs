//! init as a process: as PID 1 of fresh namespaces, and the budgets of its release build.

mod budget;
mod namespace;
mod ns;
