//! The partition table: GPT with fixed GUIDs, so that the same partitions are the same bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{EFI, LINUX_FS, Type};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Error, Result};

const SECTOR: u64 = 512;
/// Partitions start on a MiB, and one MiB at both ends is left to the tables.
const ALIGN: u64 = 1 << 20;

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// EFI system partition.
    Esp,
    /// Linux file system data.
    Linux,
}

/// A partition to make; they lie on the disk in the order given.
#[derive(Debug)]
pub struct Part<'a> {
    /// Its type.
    pub kind: Kind,
    /// Its GPT name, at most 36 characters.
    pub name: &'a str,
    /// Its size in bytes, rounded up to a MiB.
    pub bytes: u64,
}

/// Creates a sparse image just large enough with these partitions; returns their byte offsets.
pub fn create(path: &Path, parts: &[Part<'_>]) -> Result<Vec<u64>> {
    let mut table = BTreeMap::new();
    let mut offsets = Vec::new();
    let mut at = ALIGN;
    for (id, part) in (1..).zip(parts) {
        let bytes = part.bytes.max(1).next_multiple_of(ALIGN);
        table.insert(id, entry(part, at, bytes));
        offsets.push(at);
        at += bytes;
    }
    let end = at + ALIGN;
    let mut file = open(path)?;
    file.set_len(end).map_err(Error::io("set the size of", path))?;
    let last = u32::try_from(end / SECTOR - 1).unwrap_or(u32::MAX);
    ProtectiveMBR::with_lb_size(last)
        .overwrite_lba0(&mut file)
        .map_err(|why| Error::parse(path, format!("cannot write the protective MBR: {why}")))?;
    write_table(file, table)
        .map_err(|why| Error::parse(path, format!("cannot write the partition table: {why}")))?;
    Ok(offsets)
}

fn open(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    options.open(path).map_err(Error::io("create", path))
}

fn write_table(
    file: File,
    table: BTreeMap<u32, Partition>,
) -> std::result::Result<(), gpt::GptError> {
    let mut disk = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(file, Some(guid("disk")))?;
    disk.update_partitions(table)?;
    disk.write()?;
    Ok(())
}

fn entry(part: &Part<'_>, at: u64, bytes: u64) -> Partition {
    Partition {
        part_type_guid: partition_type(part.kind),
        part_guid: guid(part.name),
        first_lba: at / SECTOR,
        last_lba: (at + bytes) / SECTOR - 1,
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
fn guid(name: &str) -> Uuid {
    let digest = Sha256::digest(format!("minos partition {name}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;

    fn parts() -> [Part<'static>; 2] {
        [
            Part { kind: Kind::Esp, name: "minos-esp", bytes: 3 << 20 },
            Part { kind: Kind::Linux, name: "minos-state", bytes: (5 << 20) + 1 },
        ]
    }

    #[test]
    fn a_reader_finds_the_partitions_and_twice_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let offsets = create(&one, &parts()).unwrap();
        create(&two, &parts()).unwrap();
        assert_eq!(offsets, [1 << 20, 4 << 20]);
        assert_eq!(digest::of_file(&one).unwrap(), digest::of_file(&two).unwrap());

        let disk = gpt::GptConfig::new().open(&one).unwrap();
        let found: Vec<_> = disk
            .partitions()
            .values()
            .filter(|p| p.is_used())
            .map(|p| (p.name.as_str(), p.first_lba, p.last_lba))
            .collect();
        assert_eq!(found, [("minos-esp", 2048, 8191), ("minos-state", 8192, 20_479)]);
        assert!(disk.backup_header().is_ok());
    }

    #[test]
    fn guids_differ_by_name_and_are_valid() {
        assert_ne!(guid("a"), guid("b"));
        assert_eq!(guid("a").get_version_num(), 8);
        assert_eq!(guid("a").get_variant(), uuid::Variant::RFC4122);
    }
}
