//! Where a disk is written: a new file, or a device that somebody confirmed.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

use crate::DiskError;
use crate::grow::number;
use crate::table::Disk;

/// A disk to be written.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    file: File,
    bytes: u64,
    sector: u64,
    fresh: bool,
}

impl Target {
    /// Takes a path for a disk. A file must not be there, and is made with `bytes` (sparse). A device must be a whole
    /// disk of which nothing is mounted, and `serial` its serial number, or its name where the kernel knows none.
    ///
    /// # Errors
    /// It is not to be had; nothing was written then.
    pub fn open(path: &Path, serial: Option<&str>, bytes: u64) -> Result<Self, DiskError> {
        match fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Self::create(path, bytes),
            Err(e) => Err(DiskError::io("look at", path)(e)),
            Ok(meta) if meta.file_type().is_block_device() => {
                Self::device(path, meta.rdev(), serial)
            }
            Ok(meta) if meta.is_file() => Err(DiskError::Exists(path.to_owned())),
            Ok(_) => {
                let what = "neither a file nor a disk";
                Err(DiskError::NoDisk { path: path.to_owned(), what })
            }
        }
    }

    fn create(path: &Path, bytes: u64) -> Result<Self, DiskError> {
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(DiskError::io("create", path))?;
        let sized = file.set_len(bytes).map_err(DiskError::io("set the size of", path));
        let target = Self { path: path.to_owned(), file, bytes, sector: 512, fresh: true };
        sized.map(|()| target)
    }

    fn device(path: &Path, id: u64, serial: Option<&str>) -> Result<Self, DiskError> {
        let about = about(id);
        if about.join("partition").exists() {
            return Err(DiskError::NoDisk { path: path.to_owned(), what: "a partition" });
        }
        let has = confirmation(&about).map_err(DiskError::io("look at", &about))?;
        if serial != Some(has.as_str()) {
            let said = serial.map(str::to_owned);
            return Err(DiskError::Serial { path: path.to_owned(), has, said });
        }
        // Of a device, O_EXCL means that nobody else has it: no mount of it or of a partition, no swap, no loop.
        let open = File::options().read(true).write(true).custom_flags(libc::O_EXCL).open(path);
        let file = open.map_err(DiskError::io("open", path))?;
        let bytes = (&file).seek(SeekFrom::End(0)).map_err(DiskError::io("measure", path))?;
        let sector = number(&about.join("queue/logical_block_size"))?;
        Ok(Self { path: path.to_owned(), file, bytes, sector, fresh: false })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It, to write the table to.
    pub fn disk(&self) -> Disk<'_> {
        Disk { file: &self.file, path: &self.path, bytes: self.bytes, sector: self.sector }
    }

    /// Makes what was written durable and lets go of it, so that another program can open it for itself alone.
    ///
    /// # Errors
    /// The disk did not take it.
    pub fn release(self) -> Result<(), DiskError> {
        self.file.sync_all().map_err(DiskError::io("write to", &self.path))
    }

    /// Whether it is a file that was made for this.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }
}

/// What sysfs has about a block device.
pub(crate) fn about(id: u64) -> PathBuf {
    format!("/sys/dev/block/{}:{}", major(id), minor(id)).into()
}

/// The serial number of a disk as the kernel knows it, else its name.
fn confirmation(about: &Path) -> io::Result<String> {
    for place in ["serial", "device/serial"] {
        let text = fs::read_to_string(about.join(place)).unwrap_or_default();
        if !text.trim().is_empty() {
            return Ok(text.trim().to_owned());
        }
    }
    // SCSI and SATA: page 80h of the vital product data, four bytes in front (SPC-4, 7.8.15).
    let page = fs::read(about.join("device/vpd_pg80")).unwrap_or_default();
    let text = String::from_utf8_lossy(page.get(4..).unwrap_or_default());
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if !text.is_empty() {
        return Ok(text.to_owned());
    }
    let name = fs::canonicalize(about)?;
    Ok(name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default())
}
