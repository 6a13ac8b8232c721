//! The EFI system partition: FAT32 with one file, at the path that firmware looks for by itself.
//!
//! Written by this module, since a file system with three entries is a handful of sectors: Microsoft's "FAT32 File
//! System Specification", version 1.03. (The crate `fatfs` 0.3 puts long names in front of `.` and `..`, which
//! `fsck.fat` takes for damage.)

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::{DiskError, Extent};

const MIB: u64 = 1 << 20;
/// Sectors in front of the first table.
const RESERVED: u32 = 32;
/// Copies of the table.
const TABLES: u32 = 2;
/// Where the copy of the first two sectors stands.
const BACKUP: u32 = 6;
/// Clusters of the root, of `EFI` and of `BOOT`; the program follows.
const ROOT: u32 = 2;
const EFI: u32 = 3;
const BOOT: u32 = 4;
const PROGRAM: u32 = 5;
/// End of a chain.
const LAST: u32 = 0x0fff_ffff;
/// Fewer clusters make it FAT16.
const FEWEST: u32 = 65_525;
/// 2025-03-01 00:00, as the tables have it: one time for all, so that the same program is the same bytes.
const DATE: u16 = (45 << 9) | (3 << 5) | 1;
const DIRECTORY: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
const LABEL: u8 = 0x08;

/// The size of a partition for a program of `efi` bytes: with room for a second one, since a new kernel must be
/// whole on the disk before the old one goes.
pub fn size(efi: u64, sector: u64) -> u64 {
    let smallest = (u64::from(FEWEST) * sector + sector * 2048).next_multiple_of(MIB).max(64 * MIB);
    (2 * efi + 8 * MIB).next_multiple_of(MIB).max(smallest)
}

/// The numbers that everything else follows from. A cluster is one sector.
#[derive(Debug, Clone, Copy)]
struct Shape {
    sector: u32,
    sectors: u32,
    /// Sectors of one table.
    table: u32,
    /// Where the partition starts on the disk, in sectors.
    hidden: u32,
}

impl Shape {
    fn new(extent: Extent, sector: u64) -> Option<Self> {
        let sectors = u32::try_from(extent.bytes / sector).ok()?;
        let sector = u32::try_from(sector).ok()?;
        // Each sector of a table is good for so many clusters, and takes the room of one itself.
        let entries = sector / 4;
        let table = (sectors.checked_sub(RESERVED)? + 2).div_ceil(entries + TABLES);
        let hidden = u32::try_from(extent.offset / u64::from(sector)).unwrap_or(0);
        let shape = Self { sector, sectors, table, hidden };
        (shape.clusters()? >= FEWEST).then_some(shape)
    }

    fn clusters(&self) -> Option<u32> {
        self.sectors.checked_sub(RESERVED + TABLES * self.table)
    }

    /// Where a cluster is, in bytes from the start of the partition.
    fn cluster(&self, number: u32) -> u64 {
        u64::from(RESERVED + TABLES * self.table + number - ROOT) * u64::from(self.sector)
    }

    fn boot_sector(&self) -> Vec<u8> {
        let mut b = self.blank();
        put(&mut b, 0, &[0xeb, 0x58, 0x90]);
        put(&mut b, 3, b"MINOS   ");
        put(&mut b, 11, &u16::try_from(self.sector).unwrap_or(512).to_le_bytes());
        b[13] = 1;
        put(&mut b, 14, &(RESERVED as u16).to_le_bytes());
        b[16] = TABLES as u8;
        b[21] = 0xf8;
        put(&mut b, 24, &[32, 0, 64, 0]);
        put(&mut b, 28, &self.hidden.to_le_bytes());
        put(&mut b, 32, &self.sectors.to_le_bytes());
        put(&mut b, 36, &self.table.to_le_bytes());
        put(&mut b, 44, &ROOT.to_le_bytes());
        put(&mut b, 48, &[1, 0, BACKUP as u8, 0]);
        put(&mut b, 64, &[0x80, 0, 0x29]);
        put(&mut b, 67, b"MNOS");
        put(&mut b, 71, b"MINOS-ESP  FAT32   ");
        put(&mut b, 510, &[0x55, 0xaa]);
        b
    }

    fn information(&self, used: u32) -> Vec<u8> {
        let mut b = self.blank();
        put(&mut b, 0, b"RRaA");
        put(&mut b, 484, b"rrAa");
        let free = self.clusters().unwrap_or(0).saturating_sub(used);
        put(&mut b, 488, &free.to_le_bytes());
        put(&mut b, 492, &(ROOT + used).to_le_bytes());
        put(&mut b, 510, &[0x55, 0xaa]);
        b
    }

    fn blank(&self) -> Vec<u8> {
        vec![0; self.sector as usize]
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// An entry of a folder; `name` is 11 bytes, 8 and 3, without the point.
fn entry(name: &[u8; 11], kind: u8, cluster: u32, bytes: u32) -> [u8; 32] {
    let mut b = [0; 32];
    put(&mut b, 0, name);
    b[11] = kind;
    for at in [16, 18, 24] {
        put(&mut b, at, &DATE.to_le_bytes());
    }
    put(&mut b, 20, &((cluster >> 16) as u16).to_le_bytes());
    put(&mut b, 26, &(cluster as u16).to_le_bytes());
    put(&mut b, 28, &bytes.to_le_bytes());
    b
}

/// Makes the file system in this extent of `disk`, with the program in it as `EFI/BOOT/BOOTX64.EFI`: the
/// removable-media path of UEFI 2.10, section 3.5.1.1, for x86-64.
///
/// # Errors
/// The extent is too small; the disk cannot be written, or the program cannot be read.
pub fn write(
    disk: &File,
    path: &Path,
    extent: Extent,
    sector: u64,
    efi: &mut File,
) -> Result<(), DiskError> {
    let failed = |e: io::Error| DiskError::format(path, format!("cannot make the ESP: {e}"));
    let length = efi.metadata().map_err(failed)?.len();
    let needs = size(length, sector);
    let small = || DiskError::TooSmall { path: path.to_owned(), needs, has: extent.bytes };
    let (shape, bytes) =
        Shape::new(extent, sector).zip(u32::try_from(length).ok()).ok_or_else(small)?;
    if length + 8 * MIB > extent.bytes {
        return Err(small());
    }
    fill(disk, extent.offset, shape, bytes, efi).map_err(failed)
}

fn fill(disk: &File, start: u64, shape: Shape, bytes: u32, efi: &mut File) -> io::Result<()> {
    let at = |sector: u32| start + u64::from(sector) * u64::from(shape.sector);
    let chain = bytes.div_ceil(shape.sector);
    let head = [shape.boot_sector(), shape.information(chain + PROGRAM - ROOT)].concat();
    disk.write_all_at(&vec![0; RESERVED as usize * shape.sector as usize], start)?;
    disk.write_all_at(&head, start)?;
    disk.write_all_at(&head, at(BACKUP))?;
    let table = table(shape, chain);
    for copy in 0..TABLES {
        disk.write_all_at(&table, at(RESERVED + copy * shape.table))?;
    }
    let folders = [
        (ROOT, vec![entry(b"MINOS-ESP  ", LABEL, 0, 0), entry(b"EFI        ", DIRECTORY, EFI, 0)]),
        // The root is cluster 0 to the folders in it.
        (EFI, folder(EFI, 0, entry(b"BOOT       ", DIRECTORY, BOOT, 0))),
        (BOOT, folder(BOOT, EFI, entry(b"BOOTX64 EFI", ARCHIVE, PROGRAM, bytes))),
    ];
    for (cluster, entries) in folders {
        let mut sector = entries.concat();
        sector.resize(shape.sector as usize, 0);
        disk.write_all_at(&sector, start + shape.cluster(cluster))?;
    }
    program(disk, start + shape.cluster(PROGRAM), shape, efi)
}

fn folder(own: u32, parent: u32, content: [u8; 32]) -> Vec<[u8; 32]> {
    let up = entry(b"..         ", DIRECTORY, parent, 0);
    vec![entry(b".          ", DIRECTORY, own, 0), up, content]
}

/// The whole table: one cluster for each folder, the program in one piece behind them.
fn table(shape: Shape, chain: u32) -> Vec<u8> {
    let mut entries = vec![0x0fff_fff8, LAST, LAST, LAST, LAST];
    entries.extend((1..chain).map(|n| PROGRAM + n));
    entries.extend((chain > 0).then_some(LAST));
    let mut bytes: Vec<u8> = entries.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.resize(shape.table as usize * shape.sector as usize, 0);
    bytes
}

fn program(disk: &File, mut at: u64, shape: Shape, efi: &mut File) -> io::Result<()> {
    efi.rewind()?;
    let mut buffer = Vec::with_capacity(MIB as usize);
    loop {
        buffer.clear();
        (&mut *efi).take(MIB).read_to_end(&mut buffer)?;
        if buffer.is_empty() {
            return Ok(());
        }
        buffer.resize(buffer.len().next_multiple_of(shape.sector as usize), 0);
        disk.write_all_at(&buffer, at)?;
        at += buffer.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_room_for_every_cluster_and_little_more() {
        for sector in [512_u64, 4096] {
            for mib in [0, 1, 7, 100, 1000] {
                let bytes = size(mib << 20, sector);
                let shape = Shape::new(Extent { offset: MIB, bytes }, sector).unwrap();
                let room = shape.table * shape.sector / 4;
                let clusters = shape.clusters().unwrap() + ROOT;
                assert!(room >= clusters, "{sector} {mib}: {room} {clusters}");
                assert!(
                    room < clusters + 3 * shape.sector / 4 + 4,
                    "{sector} {mib}: {room} {clusters}"
                );
            }
        }
        assert!(Shape::new(Extent { offset: 0, bytes: 32 << 20 }, 512).is_none(), "that is FAT16");
        assert!(Shape::new(Extent { offset: 0, bytes: 0 }, 512).is_none());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (path, efi) = (dir.path().join("disk"), dir.path().join("efi"));
        let mut program =
            File::options().read(true).write(true).create_new(true).open(efi).unwrap();
        program.set_len(60 << 20).unwrap();
        let disk = File::create_new(&path).unwrap();
        let extent = Extent { offset: 0, bytes: 64 << 20 };
        let refused = write(&disk, &path, extent, 512, &mut program).unwrap_err();
        assert!(refused.to_string().ends_with("has 64 MiB, 128 MiB are needed"), "{refused}");
        assert_eq!(disk.metadata().unwrap().len(), 0);
    }
}
