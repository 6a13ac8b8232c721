//! The file system of the state: made by `mke2fs`, from a folder or empty.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{DiskError, Extent};

/// The label by which init finds it, also the GPT name and the virtio serial.
pub const LABEL: &str = "minos-state";
/// Spelled out, so that neither the host's mke2fs.conf nor its e2fsprogs version has a say.
pub const FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,\
                            flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,\
                            metadata_csum,verity";
/// Smaller leaves no room for a journal and one build, in bytes.
pub const MINIMUM: u64 = 64 << 20;
/// Bytes of a block.
pub const BLOCK: u64 = 4096;

/// The journal's size as `-J` takes it: large enough for bursts of a build where there is room for it.
pub const fn journal(bytes: u64) -> &'static str {
    if bytes >= 1 << 30 { "size=64" } else { "size=8" }
}

/// Blocks of the ext4 file system on a device, and bytes of a block, as its superblock has them (kernel documentation,
/// "ext4 Data Structures", "Super Block"); `None` where there is another file system.
///
/// # Errors
/// The device cannot be read.
pub fn length(device: &Path) -> Result<Option<(u64, u64)>, DiskError> {
    let mut b = [0; 1024];
    let file = File::open(device).map_err(DiskError::io("open", device))?;
    file.read_exact_at(&mut b, 1024).map_err(DiskError::io("read", device))?;
    let word = |at: usize| match b.get(at..at + 4) {
        Some(&[a, b, c, d]) => u64::from(u32::from_le_bytes([a, b, c, d])),
        _ => 0,
    };
    let magic = b.get(0x38..0x3a) == Some(&[0x53, 0xef]);
    let shift = word(0x18);
    if !magic || shift > 6 {
        return Ok(None);
    }
    let wide = word(0x60) & 0x80 != 0;
    let high = if wide { word(0x150) } else { 0 };
    Ok(Some((high << 32 | word(0x04), 1024 << shift)))
}

/// The arguments that make the file system what init expects, but for identity and place.
pub fn arguments(bytes: u64) -> Vec<OsString> {
    let words = ["-q", "-F", "-b", "4096", "-I", "256", "-i", "16384", "-m", "0", "-J"];
    let rest = [journal(bytes), "-L", LABEL, "-O", FEATURES];
    words.iter().chain(&rest).map(Into::into).collect()
}

/// Makes the file system in this extent of a disk, with all that is in the folder `from`: modes, owners, links and
/// extended attributes as they are there. What the extent held before is not looked at.
///
/// # Errors
/// `mke2fs` is not there or fails.
pub fn populate(disk: &Path, extent: Extent, from: &Path) -> Result<(), DiskError> {
    let failed = |why: String| DiskError::Tool { tool: "mke2fs", why };
    let extended = format!("offset={},root_owner=0:0,nodiscard,lazy_itable_init=1", extent.offset);
    let done = Command::new("mke2fs")
        // An empty configuration knows no types; the features are what makes it ext4.
        .env("MKE2FS_CONFIG", "/dev/null")
        .args(arguments(extent.bytes))
        .args(["-E", &extended, "-d"])
        .arg(from)
        .arg(disk)
        .arg((extent.bytes / BLOCK).to_string())
        .stdin(Stdio::null())
        .output()
        .map_err(|e| failed(e.to_string()))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let words: Vec<&str> = said.split_whitespace().collect();
    Err(failed(format!("{}: {}", done.status, words.join(" "))))
}
