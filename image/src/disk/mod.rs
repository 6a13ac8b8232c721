//! A raw GPT disk for machines without QEMU: an EFI system partition with one unified kernel image,
//! and the seed, sources and state as partitions found by name.

mod uki;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::{Artefact, Error, How, Layout, Progress, Result, cache, state_disk};
use minos_disk::table::{self, Disk};
use minos_disk::{DiskError, Extent, Kind, Part, esp};

/// Screen and serial line; the last one is where `/dev/console` goes when it exists.
pub const CMDLINE: &str = "console=tty0 console=ttyS0,115200 panic=-1";

/// Bytes of a sector of an image.
const SECTOR: u64 = 512;

/// What firmware starts: kernel, initramfs and command line in one.
#[derive(Debug, Clone)]
pub struct Efi {
    /// The kernel, an EFI stub image.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The kernel command line, to which the word `gpt` is added.
    pub cmdline: String,
    /// The systemd EFI stub; Debian's when not given.
    pub stub: Option<PathBuf>,
}

/// What to put on the disk.
#[derive(Debug, Clone)]
pub struct Request {
    /// What firmware starts.
    pub efi: Efi,
    /// The seed image.
    pub seed: PathBuf,
    /// The sources image, if any.
    pub sources: Option<PathBuf>,
    /// The size of the state partition in bytes.
    pub state_bytes: u64,
    /// Overwrite a disk image that is there.
    pub force: bool,
}

/// Makes `out/minos.efi` alone, for `pkgctl image build --efi`.
///
/// # Errors
/// A part, or a tool that joins them, is missing; the result cannot be written.
pub fn efi(layout: &Layout, request: &Efi, progress: &dyn Progress) -> Result<Artefact> {
    let efi = layout.out("minos.efi");
    let parent = layout.out("");
    fs::create_dir_all(&parent).map_err(Error::io("create directory", &parent))?;
    progress.step("disk: joining kernel, initramfs and command line");
    uki::make(request, &efi)?;
    Artefact::of("unified kernel image", &efi, How::Made)
}

/// Makes `out/disk.img` (sparse) and beside it `out/minos.efi`, which is its boot loader and kernel.
pub fn make(layout: &Layout, request: &Request, progress: &dyn Progress) -> Result<Vec<Artefact>> {
    let disk = layout.out("disk.img");
    if disk.exists() && !request.force {
        return Err(Error::Exists { path: disk });
    }
    state_disk::check_size(request.state_bytes)?;
    let efi = efi(layout, &request.efi, progress)?;
    let fresh = cache::Fresh::of(&disk);
    write(request, &efi.path, fresh.path(), progress)?;
    fresh.place()?;
    Ok(vec![efi, Artefact::unhashed("disk", &disk, How::Made)?])
}

/// Lays out the partitions and fills them. The state comes last, where it can be made to grow.
fn write(request: &Request, efi: &Path, disk: &Path, progress: &dyn Progress) -> Result<()> {
    let length = |path: &Path| Ok(fs::metadata(path).map_err(Error::io("look at", path))?.len());
    let mut files = vec![("minos-seed", &request.seed)];
    files.extend(request.sources.as_ref().map(|sources| ("minos-sources", sources)));
    let mut parts =
        vec![Part { kind: Kind::Esp, name: "minos-esp", bytes: esp::size(length(efi)?, SECTOR) }];
    for (name, path) in &files {
        parts.push(Part { kind: Kind::Linux, name, bytes: length(path)? });
    }
    parts.push(Part { kind: Kind::Linux, name: state_disk::LABEL, bytes: request.state_bytes });
    let extents = partition(disk, &parts)?;
    let [first, middle @ .., last] = extents.as_slice() else { return Ok(()) };
    progress.step("disk: writing minos-esp");
    let mut program = File::open(efi).map_err(Error::io("open", efi))?;
    let output = File::options().write(true).open(disk).map_err(Error::io("open", disk))?;
    esp::write(&output, disk, *first, SECTOR, &mut program).map_err(|e| refused(disk, &e))?;
    for ((name, path), extent) in files.iter().zip(middle) {
        progress.step(&format!("disk: writing {name}"));
        copy_to(path, disk, extent.offset)?;
    }
    state_disk::format(disk, last.offset, request.state_bytes)
}

fn refused(disk: &Path, error: &DiskError) -> Error {
    Error::parse(disk, error.to_string())
}

/// Creates a sparse image just large enough with these partitions. Their GUIDs are those of every such image, so that
/// the same inputs are the same bytes.
fn partition(path: &Path, parts: &[Part<'_>]) -> Result<Vec<Extent>> {
    let bytes = table::smallest(parts);
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(true).open(path);
    let file = file.map_err(Error::io("create", path))?;
    file.set_len(bytes).map_err(Error::io("set the size of", path))?;
    table::create(Disk { file: &file, path, bytes, sector: SECTOR }, parts, b"")
        .map_err(|e| refused(path, &e))
}

fn copy_to(from: &Path, disk: &Path, offset: u64) -> Result<()> {
    let mut input = File::open(from).map_err(Error::io("open", from))?;
    let mut output = File::options().write(true).open(disk).map_err(Error::io("open", disk))?;
    output.seek(SeekFrom::Start(offset)).map_err(Error::io("seek in", disk))?;
    std::io::copy(&mut input, &mut output).map_err(Error::io("write to", disk))?;
    Ok(())
}
