//! Growing the mounted file system to the size of the disk that it is on.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::ext4::length;
use crate::table::{Disk, extend};
use crate::target::about;
use crate::{DiskError, sys};

/// What came of it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grown {
    /// The length of the file system before.
    pub before: u64,
    /// And after.
    pub after: u64,
}

/// Sectors of sysfs, whatever the disk has.
const SECTOR: u64 = 512;
/// Less is not worth a write to the disk.
const WORTH: u64 = 8 << 20;

/// Makes the ext4 file system that is mounted at `mounted` as large as its disk has room for: first its partition, if it
/// is on one and that is the last, then the file system itself. `None` where there is nothing to gain.
///
/// A cut at any point is harmless where the second copy of the table counts: of the two copies one is whole at any time, and
/// the next call goes on where this one was. While the first copy is written only the second is whole. Firmware takes it, and
/// may mend the first; Linux takes it with the word `gpt` on its command line, which is in every unified kernel image that
/// `minos-image` makes. A kernel that somebody boots in another way needs the word as well.
///
/// # Errors
/// The table or the file system cannot be read or written.
pub fn grow(mounted: &Path) -> Result<Option<Grown>, DiskError> {
    let device = fs::metadata(mounted).map_err(DiskError::io("look at", mounted))?.dev();
    let at = about(device);
    let Ok(at) = fs::canonicalize(&at) else { return Ok(None) };
    if at.join("partition").exists() {
        grow_partition(&at)?;
    }
    let room = number(&at.join("size"))? * SECTOR;
    let node = PathBuf::from("/dev").join(at.file_name().unwrap_or_default());
    let Some((blocks, block)) = length(&node)? else { return Ok(None) };
    let before = blocks * block;
    if room < before + WORTH {
        return Ok(None);
    }
    let folder = File::open(mounted).map_err(DiskError::io("open", mounted))?;
    sys::ext4_resize(&folder, room / block).map_err(DiskError::io("grow", mounted))?;
    Ok(Some(Grown { before, after: room / block * block }))
}

/// Makes the partition at `at`, in sysfs, end where its disk does.
fn grow_partition(at: &Path) -> Result<(), DiskError> {
    let Some(whole) = at.parent() else { return Ok(()) };
    let name = whole.file_name().unwrap_or_default();
    let path = PathBuf::from("/dev").join(name);
    let (start, length) = (number(&at.join("start"))? * SECTOR, number(&at.join("size"))? * SECTOR);
    let bytes = number(&whole.join("size"))? * SECTOR;
    if bytes < start + length + WORTH {
        return Ok(());
    }
    let sector = number(&whole.join("queue/logical_block_size"))?;
    let file = File::options().read(true).write(true).open(&path);
    let file = file.map_err(DiskError::io("open", &path))?;
    let Some(length) = extend(Disk { file: &file, path: &path, bytes, sector }, start)? else {
        return Ok(());
    };
    file.sync_all().map_err(DiskError::io("write to", &path))?;
    let partition = number(&at.join("partition"))?;
    sys::resize_partition(&file, partition, start, length).map_err(DiskError::io("tell", &path))
}

/// A number as sysfs has it.
pub(crate) fn number(path: &Path) -> Result<u64, DiskError> {
    let text = fs::read_to_string(path).map_err(DiskError::io("read", path))?;
    text.trim().parse().map_err(|_| DiskError::format(path, "it is no number"))
}
