//! The partition table: GPT (UEFI 2.10, section 5.3) with GUIDs that are made of names, so that the same
//! partitions are the same bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use gpt::disk::LogicalBlockSize;
use gpt::header::HeaderError;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{EFI, LINUX_FS, Type};
use gpt::{DiskDevice, GptDisk, GptError};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::DiskError;
use crate::staged::{self, Staged, Stages};

/// Partitions start on a MiB, and one MiB at both ends is left to the tables.
pub const ALIGN: u64 = 1 << 20;

/// Where a header says how large an entry is.
const ENTRY_SIZE: u64 = 84;

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// EFI system partition.
    Esp,
    /// Linux file system data.
    Linux,
}

/// A partition to make; they lie on the disk in the order given.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Its type.
    pub kind: Kind,
    /// Its GPT name, at most 36 characters.
    pub name: &'a str,
    /// Its size in bytes, rounded up to a MiB.
    pub bytes: u64,
}

/// Where a partition lies, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// From here.
    pub offset: u64,
    /// So long.
    pub bytes: u64,
}

/// A disk whose table is written.
#[derive(Debug, Clone, Copy)]
pub struct Disk<'a> {
    /// Open for reading and writing.
    pub file: &'a File,
    /// Its path, for errors.
    pub path: &'a Path,
    /// Its length in bytes.
    pub bytes: u64,
    /// Bytes of a logical block: 512 or 4096.
    pub sector: u64,
}

/// The smallest disk that has room for these partitions, in bytes.
pub fn smallest(parts: &[Part<'_>]) -> u64 {
    parts.iter().map(rounded).sum::<u64>() + 2 * ALIGN
}

fn rounded(part: &Part<'_>) -> u64 {
    part.bytes.max(1).next_multiple_of(ALIGN)
}

/// Where these partitions will lie; nothing is written. The last one has what is left of the disk.
///
/// # Errors
/// The disk is too small.
pub fn layout(disk: Disk<'_>, parts: &[Part<'_>]) -> Result<Vec<Extent>, DiskError> {
    let needs = smallest(parts);
    if disk.bytes < needs {
        return Err(DiskError::TooSmall { path: disk.path.to_owned(), needs, has: disk.bytes });
    }
    let mut at = ALIGN;
    let extent = |(index, part): (usize, &Part<'_>)| {
        let last = index + 1 == parts.len();
        let bytes = if last { end(disk.bytes) - at } else { rounded(part) };
        let extent = Extent { offset: at, bytes };
        at += bytes;
        extent
    };
    Ok(parts.iter().enumerate().map(extent).collect())
}

/// Overwrites what stands where tables do, of any kind: to firmware the disk is empty from then on.
///
/// # Errors
/// The disk cannot be written.
pub fn erase(disk: Disk<'_>) -> Result<(), DiskError> {
    let zeros = vec![0; usize::try_from(ALIGN.min(disk.bytes)).unwrap_or_default()];
    let erased = [0, disk.bytes.saturating_sub(ALIGN)];
    let erased = erased.iter().try_for_each(|at| disk.file.write_all_at(&zeros, *at));
    erased.and_then(|()| disk.file.sync_all()).map_err(DiskError::io("write to", disk.path))
}

/// Writes a table with these partitions, and says where they lie, as [`layout`] does. GUIDs are made of the names and
/// `salt`: disks that may be in one machine have different ones.
///
/// # Errors
/// The disk is too small, or cannot be written.
pub fn create(disk: Disk<'_>, parts: &[Part<'_>], salt: &[u8]) -> Result<Vec<Extent>, DiskError> {
    let extents = layout(disk, parts)?;
    let entries = parts.iter().zip(&extents).map(|(p, e)| entry(p, *e, disk.sector, salt));
    let table: BTreeMap<u32, Partition> = (1..).zip(entries).collect();
    let failed = |why: String| DiskError::format(disk.path, why);
    let last = u32::try_from(disk.bytes / disk.sector - 1).unwrap_or(u32::MAX);
    let mut file = disk.file.try_clone().map_err(DiskError::io("open", disk.path))?;
    ProtectiveMBR::with_lb_size(last)
        .overwrite_lba0(&mut file)
        .map_err(|why| failed(format!("cannot write the protective MBR: {why}")))?;
    write(file, disk.sector, table, guid("disk", salt))
        .map_err(|why| failed(format!("cannot write the partition table: {why}")))?;
    Ok(extents)
}

/// Where the last partition may end.
fn end(disk: u64) -> u64 {
    (disk - ALIGN) / ALIGN * ALIGN
}

/// Makes the partition that starts at `offset` end where the disk does, if it is the last one and the disk has a MiB or
/// more behind it; says how long it is then. All GUIDs stay.
///
/// # Errors
/// There is no such partition; the table cannot be read or written.
pub fn extend(disk: Disk<'_>, offset: u64) -> Result<Option<u64>, DiskError> {
    let file = disk.file.try_clone().map_err(DiskError::io("open", disk.path))?;
    let extension = extension(file, disk.bytes, disk.sector, offset);
    let extension = extension.map_err(|why| DiskError::format(disk.path, why))?;
    let Some((bytes, stages)) = extension else { return Ok(None) };
    staged::apply(disk.file, &stages).map_err(DiskError::io("write to", disk.path))?;
    Ok(Some(bytes))
}

/// How long the partition is to be, and what is to be written for that; `None` where nothing is.
fn extension<D: DiskDevice>(
    device: D,
    bytes: u64,
    sector: u64,
    offset: u64,
) -> Result<Option<(u64, Stages)>, String> {
    let read =
        open(device, sector).map_err(|why| format!("cannot read the partition table: {why}"))?;
    let mut table = read.partitions().clone();
    let behind = |p: &&Partition| p.is_used() && p.first_lba > offset / sector;
    if table.values().any(|p| behind(&p)) {
        return Ok(None);
    }
    let entry = table.values_mut().find(|p| p.is_used() && p.first_lba == offset / sector);
    let entry = entry.ok_or_else(|| format!("no partition starts at byte {offset}"))?;
    let last = end(bytes) / sector - 1;
    // With the first copy damaged it is the second that was read, which may be ahead of it.
    if last < entry.last_lba || last == entry.last_lba && read.primary_header().is_ok() {
        return Ok(None);
    }
    entry.last_lba = last;
    let length = (last + 1) * sector - offset;
    let guid = *read.guid();
    // Made anew: that way both copies stand where they belong on the larger disk.
    let staged = write(read.take_device(), sector, table, guid)
        .map_err(|why| format!("cannot write the partition table: {why}"))?;
    Ok(Some((length, staged.stages(bytes / 2, sector))))
}

/// Reads the table as firmware does (UEFI 2.10, section 5.3.2): its first copy if that is whole, with its entries, else the
/// second. The reader takes the second only for a damaged header, so it is shown none where the entries are damaged; and
/// it takes entries of another size than the usual 128 bytes for a fault of its caller.
fn open<D: DiskDevice>(mut device: D, sector: u64) -> Result<GptDisk<Staged<D>>, GptError> {
    let config = || gpt::GptConfig::new().logical_block_size(block(sector));
    let end = device.seek(SeekFrom::End(0))?;
    let usual = |device: &mut D, header: u64| -> io::Result<bool> {
        let mut size = [0; 4];
        device.seek(SeekFrom::Start(header + ENTRY_SIZE))?;
        device.read_exact(&mut size)?;
        Ok(u32::from_le_bytes(size) == 128)
    };
    let first = usual(&mut device, sector)?;
    let second = usual(&mut device, end.saturating_sub(sector))?;
    let whole = first && config().open_from_device(Staged::new(&mut device)).is_ok();
    let mut staged = Staged::new(device);
    if !whole {
        if !second {
            return Err(HeaderError::InvalidGptSignature.into());
        }
        staged.seek(SeekFrom::Start(sector))?;
        staged.write_all(&[0; 92])?;
    }
    config().open_from_device(staged)
}

fn block(sector: u64) -> LogicalBlockSize {
    if sector == 4096 { LogicalBlockSize::Lb4096 } else { LogicalBlockSize::Lb512 }
}

fn write<D: DiskDevice>(
    device: D,
    sector: u64,
    table: BTreeMap<u32, Partition>,
    guid: Uuid,
) -> Result<D, GptError> {
    let mut disk = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(block(sector))
        .create_from_device(device, Some(guid))?;
    disk.update_partitions(table)?;
    disk.write()
}

fn entry(part: &Part<'_>, extent: Extent, sector: u64, salt: &[u8]) -> Partition {
    Partition {
        part_type_guid: partition_type(part.kind),
        part_guid: guid(part.name, salt),
        first_lba: extent.offset / sector,
        last_lba: (extent.offset + extent.bytes) / sector - 1,
        flags: 0,
        name: part.name.to_owned(),
    }
}

fn partition_type(kind: Kind) -> Type {
    match kind {
        Kind::Esp => EFI,
        Kind::Linux => LINUX_FS,
    }
}

/// A GUID that is a function of the name: version 8 of RFC 9562, section 5.8.
fn guid(name: &str, salt: &[u8]) -> Uuid {
    let mut hasher = Sha256::new_with_prefix(format!("minos partition {name}"));
    hasher.update(salt);
    let digest = hasher.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(digest.get(..16).unwrap_or(&[0; 16]));
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::staged::Piece;

    fn parts() -> [Part<'static>; 2] {
        [
            Part { kind: Kind::Esp, name: "minos-esp", bytes: 3 << 20 },
            Part { kind: Kind::Linux, name: "minos-state", bytes: (5 << 20) + 1 },
        ]
    }

    fn sized(path: &Path, bytes: u64) -> File {
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).unwrap();
        file.set_len(bytes).unwrap();
        file
    }

    fn disk<'a>(file: &'a File, path: &'a Path, sector: u64) -> Disk<'a> {
        Disk { file, path, bytes: file.metadata().unwrap().len(), sector }
    }

    fn found(path: &Path) -> Vec<(String, u64, u64)> {
        let disk = gpt::GptConfig::new().open(path).unwrap();
        assert!(disk.backup_header().is_ok());
        let used = disk.partitions().values().filter(|p| p.is_used());
        used.map(|p| (p.name.clone(), p.first_lba, p.last_lba)).collect()
    }

    #[test]
    fn a_reader_finds_the_partitions_and_twice_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        for path in [&one, &two] {
            let file = sized(path, smallest(&parts()));
            let extents = create(disk(&file, path, 512), &parts(), b"").unwrap();
            let mib = |offset: u64, bytes: u64| Extent { offset: offset << 20, bytes: bytes << 20 };
            assert_eq!(extents, [mib(1, 3), mib(4, 6)]);
        }
        assert!(std::fs::read(&one).unwrap() == std::fs::read(&two).unwrap());
        let names = [("minos-esp".into(), 2048, 8191), ("minos-state".into(), 8192, 20_479)];
        assert_eq!(found(&one), names);
        let file = sized(&two, smallest(&parts()));
        create(disk(&file, &two, 512), &parts(), b"another").unwrap();
        assert!(std::fs::read(&one).unwrap() != std::fs::read(&two).unwrap(), "other GUIDs");
        let file = sized(&two, smallest(&parts()) - 1);
        assert!(matches!(
            create(disk(&file, &two, 512), &parts(), b""),
            Err(DiskError::TooSmall { .. })
        ));
    }

    /// Written to a larger disk, the last partition grows to its end; nothing else moves, all GUIDs stay.
    #[test]
    fn the_last_partition_grows_with_the_disk() {
        for sector in [512, 4096] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("disk");
            let file = sized(&path, smallest(&parts()));
            let extents = create(disk(&file, &path, sector), &parts(), b"").unwrap();
            let state = extents[1].offset;
            assert_eq!(extend(disk(&file, &path, sector), state).unwrap(), None, "it is full");
            let guids = |file: &File| {
                let config = gpt::GptConfig::new().logical_block_size(block(sector));
                let disk = config.open_from_device(file.try_clone().unwrap()).unwrap();
                let parts = disk.partitions().values().map(|p| p.part_guid).collect::<Vec<_>>();
                (*disk.guid(), parts)
            };
            let before = guids(&file);
            let file = sized(&path, 100 << 20);
            assert_eq!(extend(disk(&file, &path, sector), state).unwrap(), Some(95 << 20));
            assert_eq!(guids(&file), before);
            assert_eq!(extend(disk(&file, &path, sector), state).unwrap(), None);
            assert_eq!(extend(disk(&file, &path, sector), extents[0].offset).unwrap(), None);
            assert!(extend(disk(&file, &path, sector), 99 << 20).is_err());
            if sector == 512 {
                assert_eq!(found(&path)[1], ("minos-state".into(), 8192, (99 << 11) - 1));
            }
        }
    }

    /// How long the partition is to firmware.
    fn length_in(image: &[u8]) -> Option<u64> {
        let disk = open(Cursor::new(image.to_vec()), 512).ok()?;
        let state = disk.partitions().values().find(|p| p.name == "minos-state")?;
        Some((state.last_lba + 1 - state.first_lba) * 512)
    }

    /// Of the stage that is being written when the power goes, any part may have come to the disk. A first version wrote
    /// all of it at once, the copy at the beginning first, and one sync came last.
    #[test]
    fn a_cut_at_any_write_leaves_a_table_and_the_next_call_finishes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        let file = sized(&path, smallest(&parts()));
        let state = create(disk(&file, &path, 512), &parts(), b"").unwrap()[1];
        let bytes = 16 << 20;
        sized(&path, bytes);
        let image = std::fs::read(&path).unwrap();
        let extend = |image: &[u8]| {
            extension(Cursor::new(image.to_vec()), bytes, 512, state.offset).unwrap()
        };
        let (length, stages) = extend(&image).unwrap();
        assert!(stages.iter().all(|stage| (1..8).contains(&stage.len())), "{stages:?}");
        let put = |image: &mut [u8], (at, bytes): &Piece| {
            image[usize::try_from(*at).unwrap()..][..bytes.len()].copy_from_slice(bytes);
        };
        let mut before = image;
        for stage in &stages {
            for some in 0..1_u32 << stage.len() {
                let mut cut = before.clone();
                let came = stage.iter().enumerate().filter(|(i, _)| some >> i & 1 != 0);
                came.for_each(|(_, piece)| put(&mut cut, piece));
                let found = length_in(&cut);
                assert!(found == Some(state.bytes) || found == Some(length), "{found:?}, {some:b}");
                if let Some((again, stages)) = extend(&cut) {
                    assert_eq!(again, length);
                    stages.iter().flatten().for_each(|piece| put(&mut cut, piece));
                }
                assert_eq!(length_in(&cut), Some(length));
                assert!(extend(&cut).is_none());
            }
            stage.iter().for_each(|piece| put(&mut before, piece));
        }
    }

    /// The reader asserts that it has not.
    #[test]
    fn a_table_with_entries_of_another_size_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        let file = sized(&path, smallest(&parts()));
        let state = create(disk(&file, &path, 512), &parts(), b"").unwrap()[1].offset;
        let last = file.metadata().unwrap().len() - 512;
        let odd = |at: u64| file.write_all_at(&256_u32.to_le_bytes(), at + ENTRY_SIZE).unwrap();
        odd(512);
        let mended = extend(disk(&file, &path, 512), state).unwrap();
        assert_eq!(mended, Some(6 << 20), "the second copy has them as they are");
        odd(512);
        odd(last);
        assert!(extend(disk(&file, &path, 512), state).is_err());
    }

    #[test]
    fn guids_differ_by_name_and_are_valid() {
        assert_ne!(guid("a", b""), guid("b", b""));
        assert_eq!(guid("a", b"").get_version_num(), 8);
        assert_eq!(guid("a", b"").get_variant(), uuid::Variant::RFC4122);
    }
}
