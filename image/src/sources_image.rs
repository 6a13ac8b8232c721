//! `out/sources.squashfs`: the locked sources as an image for the VM.

use std::fs;

use crate::{Artefact, Error, How, Layout, Progress, Result, cache, sources, squashfs};

/// The time stamp of all files: the image depends on the locked content alone.
const EPOCH: u32 = 0;

/// Packs the wanted sources, which are fetched first where they are not at hand.
///
/// zstd does nothing for tarballs that are compressed already, and squashfs then stores the block
/// as it is, so packing runs at the speed of the disk.
pub fn make(
    layout: &Layout,
    request: &sources::Request,
    progress: &dyn Progress,
) -> Result<Artefact> {
    let files = sources::fetch(layout, request, progress)?;
    let staging = layout.out("sources.staging");
    if staging.exists() {
        fs::remove_dir_all(&staging).map_err(Error::io("remove", &staging))?;
    }
    for file in &files {
        let name = file.path.file_name().unwrap_or_default();
        cache::place(&file.path, &staging.join(name))?;
    }
    let image = layout.out("sources.squashfs");
    let fresh = cache::Fresh::of(&image);
    let log = layout.log("sources-image");
    crate::tool::begin_log(&log)?;
    progress.step(&format!("sources image: packing {} files", files.len()));
    squashfs::from_dir(&staging, fresh.path(), EPOCH, &log, progress)?;
    fresh.place()?;
    fs::remove_dir_all(&staging).map_err(Error::io("remove", &staging))?;
    Artefact::of("sources.squashfs", &image, How::Made)
}
