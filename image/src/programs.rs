//! The programs of the appliance: built by cargo, or taken from a folder.

use std::path::{Path, PathBuf};

use crate::tool::{self, Run};
use crate::{Error, Layout, Progress, Result};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds `init`, `pkgd` and `pkgctl` as released and returns the folder they are in.
pub fn build(layout: &Layout, progress: &dyn Progress) -> Result<PathBuf> {
    progress.step("programs: cargo build --release");
    let log = layout.log("programs");
    tool::begin_log(&log)?;
    let run = Run::new("cargo")?.args(["build", "--release", "--locked", "--target", TARGET]);
    run.args(["-p", "minos-init", "-p", "minos-pkgd", "-p", "minos-pkgctl"])
        .dir(&layout.tree(""))
        .logged(&log, "cargo", progress)?;
    folder(layout)
}

/// The folder of released programs, built or not, as cargo is configured.
pub fn folder(layout: &Layout) -> Result<PathBuf> {
    let run = Run::new("cargo")?.args(["metadata", "--no-deps", "--format-version", "1"]);
    let text = run.dir(&layout.tree("")).output()?;
    let metadata: serde_json::Value = serde_json::from_str(&text)
        .map_err(|why| Error::request(format!("cargo metadata: {why}")))?;
    let target = metadata["target_directory"].as_str().unwrap_or("target");
    Ok(Path::new(target).join(TARGET).join("release"))
}
