//! Prints what a box is worth on this machine: `probe SCRATCH [weak]`.

use minos_sandbox::{Strength, probe, run_if_helper};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run_if_helper();
    let mut args = std::env::args().skip(1);
    let scratch = args.next().ok_or("usage: probe SCRATCH [weak]")?;
    let strength = if args.next().is_some() { Strength::Weak } else { Strength::Full };
    println!("{:#?}", probe(strength, Path::new(&scratch))?);
    Ok(())
}
