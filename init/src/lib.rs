//! PID 1 of MinOS: a pure state machine and a thin shell of system calls around it.
//!
//! 1. **It never exits, never panics, never waits for a service.** What can block is done by a
//!    forked helper with a deadline ([`helper`]).
//! 2. **It is the only one that reaps.** Every process that ends in the machine is seen in one place
//!    ([`runtime`]), which routes its status; nothing else ever waits.
//! 3. **The decisions are pure.** [`machine`], [`sup`], [`gate`], [`phase`], [`bootrec`], [`cmdline`],
//!    [`rescue`] and [`ring`] know no clock and no system call; everything they need is passed in.
//! 4. **All system calls go through one trait** ([`kernel::Sys`]), so that the tests can let each of
//!    them fail in turn, through the whole boot and the whole way down.
//! 5. **Once the services run, the heap is not touched** and the number of descriptors is constant.
//!
//! What it does not do: it knows nothing of packages, it serves no protocol, it has no
//! configuration but the kernel command line and the boot plan of the generation, which pkgd compiled. Without one
//! there are two services: pkgd and the console.

pub mod args;
pub mod channels;
mod choice;
pub mod cmdline;
pub mod console;
pub mod disks;
pub mod event;
#[cfg(test)]
mod fake;
pub mod gate;
mod generation;
pub mod helper;
pub mod kernel;
pub mod machine;
pub mod mounts;
pub mod panic;
pub mod phase;
pub mod power;
mod prompt;
pub mod record;
pub mod rescue;
pub mod ring;
pub mod roots;
pub mod runtime;
pub mod services;
mod steps;
mod storage;
pub mod sup;
pub mod sys;
pub mod watchdog;

pub use minos_proto::bootrec;
