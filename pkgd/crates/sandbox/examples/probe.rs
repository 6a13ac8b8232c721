//! Prints what a box is worth on this machine: `probe [weak]`.

use minos_sandbox::{Strength, probe, run_if_helper};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run_if_helper();
    let weak = std::env::args().nth(1).is_some();
    let report = probe(if weak { Strength::Weak } else { Strength::Full })?;
    println!("{report:#?}");
    for (name, good, found) in report.facts() {
        println!("{} {name}: {found}", if good { "good" } else { "poor" });
    }
    Ok(())
}
