//! Finds disks by name, never by the order in which they appeared.
//!
//! A name is the serial number of a virtio disk, which whoever runs the machine gives; else the name of a GPT
//! partition or the label of an ext4 file system, which are on the disk. All three are set to the same string by
//! whoever makes the disk. A copy of a disk has the same names: of two nobody knows which is meant, so neither is
//! taken. A second one that comes up after the first was found is not seen.
//!
//! The first two the kernel knows. A label has to be read from the disk, which may never answer: that is done by
//! helpers ([`crate::storage`]), for the state disk alone (a squashfs has no label), and only where the kernel knows
//! no disk of that name.

use heapless::{String, Vec};

use crate::kernel::{Result, Sys};

/// The default names.
pub mod name {
    /// ext4, writable, at `/state`.
    pub const STATE: &str = "minos-state";
    /// squashfs with the host tools, at `/seed`.
    pub const SEED: &str = "minos-seed";
    /// squashfs with source archives, at `/sources`; may be missing.
    pub const SOURCES: &str = "minos-sources";
}

/// A block device's name below `/dev` and `/sys/class/block`.
pub type Name = String<32>;

/// More devices than this are not looked at.
const MAX_DEVICES: usize = 64;

/// How a disk was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By its serial number.
    Serial,
    /// By the name of its GPT partition.
    PartName,
    /// By the label of its ext4 file system.
    Label,
}

impl By {
    /// The word in log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serial => "serial number",
            Self::PartName => "partition name",
            Self::Label => "ext4 label",
        }
    }
}

/// A disk that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk<'a> {
    /// Its name.
    pub name: &'a Name,
    /// How it was recognised.
    pub by: By,
    /// Another one that goes by the same kind of name.
    pub twin: Option<&'a Name>,
}

/// The block devices, in order.
///
/// # Errors
/// When `/sys/class/block` cannot be read.
pub fn list(sys: &mut dyn Sys) -> Result<Vec<Name, MAX_DEVICES>> {
    let mut names: Vec<Name, MAX_DEVICES> = Vec::new();
    sys.list("/sys/class/block", &mut |name| {
        if !name.starts_with("loop") && !name.starts_with("ram") {
            // Devices over the limit are passed over.
            let _ = Name::try_from(name).map(|n| put_in_order(&mut names, n));
        }
    })?;
    Ok(names)
}

/// Looks once through devices for what the kernel knows of them: none of them is read.
pub fn named<'a>(sys: &mut dyn Sys, names: &'a [Name], wanted: &str) -> Option<Disk<'a>> {
    // A serial number is given to a disk at each start; what is on the disk comes along with a copy of it.
    [By::Serial, By::PartName].into_iter().find_map(|by| {
        let mut called = names.iter().filter(|name| is_called(sys, name, by, wanted));
        Some(Disk { name: called.next()?, by, twin: called.next() })
    })
}

/// Whether the device itself cannot be written to.
pub fn is_read_only(sys: &mut dyn Sys, name: &str) -> bool {
    attribute::<4>(sys, name, "ro").is_some_and(|v| v.trim_end() == "1")
}

/// Puts a value where it belongs in a sorted list; one over the limit is passed over. A sort of the standard
/// library is three kilobytes of PID 1.
pub(crate) fn put_in_order<T: Ord, const N: usize>(list: &mut Vec<T, N>, value: T) {
    let at = list.iter().position(|other| *other > value).unwrap_or(list.len());
    let _ = list.insert(at, value);
}

fn is_called(sys: &mut dyn Sys, name: &str, by: By, wanted: &str) -> bool {
    match by {
        // The kernel keeps 20 bytes of a virtio serial number; so does the comparison.
        By::Serial => attribute::<32>(sys, name, "serial")
            .is_some_and(|v| !v.trim().is_empty() && v.trim() == clip(wanted, 20)),
        _ => attribute::<512>(sys, name, "uevent").is_some_and(|v| part_name(&v) == Some(wanted)),
    }
}

fn clip(text: &str, bytes: usize) -> &str {
    text.get(..bytes).unwrap_or(text)
}

fn attribute<const N: usize>(sys: &mut dyn Sys, name: &str, file: &str) -> Option<String<N>> {
    let mut path: String<96> = String::new();
    for part in ["/sys/class/block/", name, "/", file] {
        path.push_str(part).ok()?;
    }
    let mut bytes = Vec::<u8, N>::new();
    bytes.resize_default(N).ok()?;
    let n = sys.read_file(&path, 0, &mut bytes).ok()?;
    bytes.truncate(n);
    String::from_utf8(bytes).ok()
}

/// The partition's name in a block device's `uevent` file.
pub fn part_name(uevent: &str) -> Option<&str> {
    uevent.lines().find_map(|line| line.strip_prefix("PARTNAME="))
}

/// The part of a name that a label has room for.
pub fn label_of(wanted: &str) -> String<LABEL> {
    crate::cmdline::cut(wanted)
}

/// Bytes of an ext4 label.
pub const LABEL: usize = 16;
/// Offset of the superblock on the device.
const SUPERBLOCK_AT: u64 = 1024;
/// As much of the superblock as is looked at.
const SUPERBLOCK: usize = 0x88;

/// What the superblock of an ext4 file system says (Linux `Documentation/filesystems/ext4`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ext4 {
    label: [u8; LABEL],
    /// The journal holds changes: it was not unmounted. Mounting replays them.
    pub needs_recovery: bool,
    /// The kernel has found damage in it before.
    pub has_errors: bool,
}

impl Ext4 {
    /// Reads the first bytes of a superblock; `None` when it is not ext2, 3 or 4.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let half = |at: usize| Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        if half(0x38)? != 0xef53 {
            return None;
        }
        let mut label = [0; LABEL];
        label.copy_from_slice(bytes.get(0x78..0x78 + LABEL)?);
        Some(Self {
            label,
            needs_recovery: half(0x60)? & 0x4 != 0,
            has_errors: half(0x3a)? & 0x2 != 0,
        })
    }

    /// What is to be known of it, as the exit status of a helper: [`CALLED`], [`DIRTY`], [`BROKEN`].
    fn status(&self, label: &str) -> u8 {
        let called = !label.is_empty() && self.label() == label;
        let facts = [(called, CALLED), (self.needs_recovery, DIRTY), (self.has_errors, BROKEN)];
        facts.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum()
    }

    /// The label; empty when there is none or it is not UTF-8.
    pub fn label(&self) -> &str {
        let end = self.label.iter().position(|b| *b == 0).unwrap_or(LABEL);
        str::from_utf8(&self.label[..end]).unwrap_or_default()
    }
}

/// It bears the label.
pub const CALLED: u8 = 1;
/// It needs its journal.
pub const DIRTY: u8 = 2;
/// It has errors.
pub const BROKEN: u8 = 4;

/// What the superblock on a device says: [`CALLED`], [`DIRTY`], [`BROKEN`]; nothing of one that is not ext4 or cannot be
/// read. For helpers only: the device may never answer.
pub fn look(sys: &mut dyn Sys, name: &str, label: &str) -> u8 {
    let mut bytes = [0; SUPERBLOCK];
    let read = sys.read_file(&device(name), SUPERBLOCK_AT, &mut bytes).ok();
    let found = read.and_then(|n| Ext4::parse(bytes.get(..n)?));
    found.map_or(0, |fs| fs.status(label))
}

/// The path of a device.
pub fn device(name: &str) -> String<{ crate::kernel::PATH }> {
    let mut path = String::new();
    // A name is at most 32 bytes.
    let _ = path.push_str("/dev/").and_then(|()| path.push_str(name));
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{Ext4, device, part_name, put_in_order};

    fn image(label: &[u8], incompat: u16, state: u16) -> Vec<u8> {
        let mut b = vec![0u8; 1024];
        b[0x38..0x3a].copy_from_slice(&[0x53, 0xef]);
        b[0x3a..0x3c].copy_from_slice(&state.to_le_bytes());
        b[0x60..0x62].copy_from_slice(&incompat.to_le_bytes());
        b[0x78..0x78 + label.len()].copy_from_slice(label);
        b
    }

    #[test]
    fn superblocks_are_read() {
        let clean = Ext4::parse(&image(b"minos-state", 0x2c2, 1)).unwrap();
        assert_eq!(
            (clean.label(), clean.needs_recovery, clean.has_errors),
            ("minos-state", false, false)
        );
        let dirty = Ext4::parse(&image(b"sixteen-bytes-ok", 0x2c6, 3)).unwrap();
        assert_eq!(dirty.label(), "sixteen-bytes-ok");
        assert!(dirty.needs_recovery && dirty.has_errors);
        assert_eq!(Ext4::parse(&image(b"\xff\xfe", 0, 0)).unwrap().label(), "");
        assert_eq!(Ext4::parse(b"hsqs"), None);
    }

    #[test]
    fn a_list_stays_in_order_and_within_its_limit() {
        let mut list = heapless::Vec::<u8, 4>::new();
        [3, 1, 2, 1, 9, 0].into_iter().for_each(|n| put_in_order(&mut list, n));
        assert_eq!(list, [1, 1, 2, 3]);
    }

    #[test]
    fn partition_names_are_read() {
        let uevent =
            "MAJOR=254\nMINOR=1\nDEVNAME=vda1\nDEVTYPE=partition\nPARTN=1\nPARTNAME=minos-state\n";
        assert_eq!(part_name(uevent), Some("minos-state"));
        assert_eq!(part_name("DEVTYPE=disk\n"), None);
        assert_eq!(device("vda1"), "/dev/vda1");
    }

    proptest! {
        #[test]
        fn no_superblock_panics(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
            prop_assert!(Ext4::parse(&bytes).is_none_or(|s| s.label().len() <= 16));
        }
    }
}
