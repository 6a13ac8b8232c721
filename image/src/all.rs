//! Everything a boot in QEMU needs, in order; what is there already is not made again.

use std::path::PathBuf;

use crate::{Artefact, Layout, Progress, Result};
use crate::{initramfs, kernel, programs, recipes, seed, sources, sources_image, state_disk};

/// What to make it all from.
#[derive(Debug, Clone)]
pub struct Request {
    /// The kernel's part.
    pub kernel: kernel::Request,
    /// The seed's part.
    pub seed: seed::Request,
    /// The sources' part.
    pub sources: sources::Request,
    /// A folder with `init`, `pkgd` and `pkgctl`; built by cargo when not given.
    pub programs: Option<PathBuf>,
    /// The recipes; `pkgd/recipes` when not given.
    pub recipes: Option<PathBuf>,
    /// The size of a new state disk in bytes. One that is there is kept.
    pub state_bytes: u64,
}

/// Makes all artefacts for a boot in QEMU.
pub fn make(layout: &Layout, request: &Request, progress: &dyn Progress) -> Result<Vec<Artefact>> {
    let mut made = kernel::make(layout, &request.kernel, progress)?;
    made.extend(seed::make(layout, &request.seed, progress)?);
    made.push(sources_image::make(layout, &request.sources, progress)?);
    let dir = request.recipes.clone().unwrap_or_else(|| layout.tree("pkgd/recipes"));
    let index = recipes::make(layout, &dir, progress)?;
    let programs = match &request.programs {
        Some(folder) => folder.clone(),
        None => programs::build(layout, progress)?,
    };
    progress.step("initramfs: packing");
    made.push(initramfs::make(layout, &initramfs::Request::of(&programs, &index.path))?);
    made.push(index);
    let state = layout.out("state.img");
    if state.exists() {
        progress.step("state disk: kept as it is");
    } else {
        let request = state_disk::Request { path: None, bytes: request.state_bytes, force: false };
        made.push(state_disk::make(layout, &request)?);
    }
    Ok(made)
}
