//! Where a disk is written: a new file, or a device that somebody confirmed.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{major, minor};
use nix::unistd::linkat;

use crate::DiskError;
use crate::grow::number;
use crate::table::Disk;

/// A disk to be written. Until [`Target::finish`] it looks like no disk at all: a new file has no name yet, so that
/// nothing is left of it whatever happens, and a device has no partition table.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    /// Where it can be opened until it has its name.
    at: PathBuf,
    file: File,
    bytes: u64,
    sector: u64,
    kind: Kind,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A file that gets its name when it is whole.
    Nameless,
    /// A file that has its name, where the file system knows no other ones.
    Named,
    /// The same, whole.
    Kept,
    /// A block device, and its number: the path may come to name another one.
    Device(u64),
}

impl Target {
    /// Takes a path for a disk. A file must not be there, and is made with `bytes` (sparse). A device must be a whole
    /// disk that nobody uses, and `serial` its serial number, or its name where the kernel knows none. Below `/dev`, or
    /// with a serial number, it is a device that is meant: one that is not there is not made as a file.
    ///
    /// # Errors
    /// It is not to be had; nothing was written then.
    pub fn open(path: &Path, serial: Option<&str>, bytes: u64) -> Result<Self, DiskError> {
        match fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => match serial {
                None if !is_for_devices(path) => Self::create(path, bytes),
                _ => Err(DiskError::NoDisk { path: path.to_owned(), what: "not there" }),
            },
            Err(e) => Err(DiskError::place("look at", path)(e)),
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
        let options = options.read(true).write(true).mode(0o600);
        let nameless = options.clone().custom_flags(libc::O_TMPFILE).open(folder(path));
        let (file, at, kind) = match nameless {
            Ok(file) => {
                // By the number of this process: another program is to open it as well.
                let at = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
                (file, at.into(), Kind::Nameless)
            }
            Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
                let file = options.create_new(true).open(path);
                (file.map_err(DiskError::place("create", path))?, path.to_owned(), Kind::Named)
            }
            Err(e) => return Err(DiskError::place("create", path)(e)),
        };
        let target = Self { path: path.to_owned(), at, file, bytes, sector: 512, kind };
        let sized = target.file.set_len(bytes).map_err(DiskError::place("set the size of", path));
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
        let file = exclusively(path, id)?;
        if is_behind_a_loop(path)? {
            return Err(DiskError::Busy(path.to_owned()));
        }
        let bytes = (&file).seek(SeekFrom::End(0)).map_err(DiskError::io("measure", path))?;
        let sector = number(&about.join("queue/logical_block_size"))?;
        let at = path.to_owned();
        Ok(Self { path: path.to_owned(), at, file, bytes, sector, kind: Kind::Device(id) })
    }

    /// It, to write to.
    pub fn disk(&self) -> Disk<'_> {
        Disk { file: &self.file, path: &self.path, bytes: self.bytes, sector: self.sector }
    }

    /// Makes what was written durable and lets `write` open it by a path, a device for itself alone; then takes it back,
    /// and makes durable what was written there.
    ///
    /// # Errors
    /// The disk did not take it; `write` fails; somebody else took a device meanwhile.
    pub fn lend(
        mut self,
        write: impl FnOnce(&Path) -> Result<(), DiskError>,
    ) -> Result<Self, DiskError> {
        self.sync()?;
        if let Kind::Device(id) = self.kind {
            // The old descriptor, which nobody else could have beside it, goes with this.
            let file = File::open(&self.at).map_err(DiskError::io("open", &self.at))?;
            self.file = confirmed(file, &self.at, id)?;
        }
        write(&self.at)?;
        if let Kind::Device(id) = self.kind {
            self.file = exclusively(&self.at, id)?;
        }
        self.sync().map(|()| self)
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_all().map_err(DiskError::io("write to", &self.path))
    }

    /// Makes the whole durable, and gives a new file its name; how many bytes it has.
    ///
    /// # Errors
    /// The disk did not take it; a file of this name has come up meanwhile, which is left alone.
    pub fn finish(mut self) -> Result<u64, DiskError> {
        self.sync()?;
        if self.kind == Kind::Nameless {
            let flag = AtFlags::AT_SYMLINK_FOLLOW;
            linkat(AT_FDCWD, &self.at, AT_FDCWD, &self.path, flag).map_err(|e| match e {
                Errno::EEXIST => DiskError::Exists(self.path.clone()),
                e => DiskError::io("create", &self.path)(e.into()),
            })?;
        }
        if !self.is_device() {
            let folder = folder(&self.path);
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(DiskError::io("write to", folder))?;
        }
        if self.kind == Kind::Named {
            self.kind = Kind::Kept;
        }
        Ok(self.bytes)
    }

    /// Whether it was there before.
    pub fn is_device(&self) -> bool {
        matches!(self.kind, Kind::Device(_))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.kind == Kind::Named {
            // The error that brought this says what failed; half a disk is of no use to anybody.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a new file there would be one among the devices, in memory, and gone with the machine.
fn is_for_devices(path: &Path) -> bool {
    let folder = folder(path);
    let real = fs::canonicalize(folder);
    let real = real.as_deref().unwrap_or(folder);
    real.starts_with("/dev") && !real.starts_with("/dev/shm")
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Opens a device that nobody else has: of a device, `O_EXCL` is refused where it or a partition of it is mounted, is
/// swapped to, or belongs to a RAID or a volume.
fn exclusively(path: &Path, id: u64) -> Result<File, DiskError> {
    let open = File::options().read(true).write(true).custom_flags(libc::O_EXCL).open(path);
    confirmed(open.map_err(DiskError::io("open", path))?, path, id)
}

/// What was opened, if it is the disk whose serial number was confirmed: names of disks change hands.
fn confirmed(file: File, path: &Path, id: u64) -> Result<File, DiskError> {
    let meta = file.metadata().map_err(DiskError::io("look at", path))?;
    if !meta.file_type().is_block_device() || meta.rdev() != id {
        let what = "not the disk any more that was confirmed";
        return Err(DiskError::NoDisk { path: path.to_owned(), what });
    }
    Ok(file)
}

/// Whether a loop device stands on this one or on one of its partitions. A loop claims nothing, so that `O_EXCL` does
/// not see it.
fn is_behind_a_loop(path: &Path) -> Result<bool, DiskError> {
    let real = fs::canonicalize(path).map_err(DiskError::io("look at", path))?;
    let devices = Path::new("/sys/block");
    let found = fs::read_dir(devices).map_err(DiskError::io("list", devices))?;
    let backing = found
        .flatten()
        .filter_map(|device| fs::read_to_string(device.path().join("loop/backing_file")).ok());
    let real = real.as_os_str().as_encoded_bytes();
    Ok(backing.into_iter().any(|file| {
        let rest = file.trim_end_matches('\n').as_bytes().strip_prefix(real);
        rest.is_some_and(|rest| {
            let number = rest.strip_prefix(b"p").unwrap_or(rest);
            number.iter().all(u8::is_ascii_digit)
        })
    }))
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
