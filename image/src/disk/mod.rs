//! A raw GPT disk for machines without QEMU: an EFI system partition with one unified kernel image,
//! and the seed, sources and state as partitions found by name.

mod esp;
mod gpt_image;
mod uki;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::{Artefact, Error, How, Layout, Progress, Result, cache, state_disk};
use gpt_image::{Kind, Part};

/// Screen and serial line; the last one is where `/dev/console` goes when it exists.
pub const CMDLINE: &str = "console=tty0 console=ttyS0,115200 panic=-1";

/// What to put on the disk.
#[derive(Debug, Clone)]
pub struct Request {
    /// The kernel, an EFI stub image.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The seed image.
    pub seed: PathBuf,
    /// The sources image, if any.
    pub sources: Option<PathBuf>,
    /// The kernel command line.
    pub cmdline: String,
    /// The size of the state partition in bytes.
    pub state_bytes: u64,
    /// The systemd EFI stub; Debian's when not given.
    pub stub: Option<PathBuf>,
    /// Overwrite a disk image that is there.
    pub force: bool,
}

/// Makes `out/disk.img` (sparse) and beside it `out/minos.efi`, which is its boot loader and kernel.
pub fn make(layout: &Layout, request: &Request, progress: &dyn Progress) -> Result<Vec<Artefact>> {
    let disk = layout.out("disk.img");
    if disk.exists() && !request.force {
        return Err(Error::Exists { path: disk });
    }
    state_disk::check_size(request.state_bytes)?;
    let efi = layout.out("minos.efi");
    progress.step("disk: joining kernel, initramfs and command line");
    uki::make(request, &efi)?;
    let esp = layout.out("esp.img");
    esp::make(&efi, &esp)?;

    let fresh = cache::Fresh::of(&disk);
    write(request, &esp, fresh.path(), progress)?;
    fresh.place()?;
    fs::remove_file(&esp).map_err(Error::io("remove", &esp))?;
    Ok(vec![
        Artefact::of("unified kernel image", &efi, How::Made)?,
        Artefact::unhashed("disk", &disk, How::Made)?,
    ])
}

/// Lays out the partitions and fills them. The state comes last, where it can be made to grow.
fn write(request: &Request, esp: &Path, disk: &Path, progress: &dyn Progress) -> Result<()> {
    let mut files = vec![(Kind::Esp, "minos-esp", esp), (Kind::Linux, "minos-seed", &request.seed)];
    if let Some(sources) = &request.sources {
        files.push((Kind::Linux, "minos-sources", sources));
    }
    let mut parts = Vec::new();
    for (kind, name, path) in &files {
        let bytes = fs::metadata(path).map_err(Error::io("look at", path))?.len();
        parts.push(Part { kind: *kind, name, bytes });
    }
    parts.push(Part { kind: Kind::Linux, name: state_disk::LABEL, bytes: request.state_bytes });
    let offsets = gpt_image::create(disk, &parts)?;
    for ((_, name, path), offset) in files.iter().zip(&offsets) {
        progress.step(&format!("disk: writing {name}"));
        copy_to(path, disk, *offset)?;
    }
    match offsets.last() {
        Some(offset) => state_disk::format(disk, *offset, request.state_bytes),
        None => Ok(()),
    }
}

fn copy_to(from: &Path, disk: &Path, offset: u64) -> Result<()> {
    let mut input = File::open(from).map_err(Error::io("open", from))?;
    let mut output = File::options().write(true).open(disk).map_err(Error::io("open", disk))?;
    output.seek(SeekFrom::Start(offset)).map_err(Error::io("seek in", disk))?;
    std::io::copy(&mut input, &mut output).map_err(Error::io("write to", disk))?;
    Ok(())
}
