//! A disk that boots one generation: partition table, kernel, and a state with that generation alone.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use minos_disk::{DiskError, Extent, Kind, Part, Target, esp, ext4, table};
use minos_proto::{BootNext, ErrorKind, ErrorReport, Field, ImageWish, Sheet, bootnext};
use minos_store::fs::RealFs;
use minos_store::{Exported, Options, Store, System, SystemOptions};

use crate::service::state_error;
use crate::system::boot::efi;
use crate::system::boot::root::Root;
use crate::system::errors::{invalid, not_found, on_file, on_named, system_error};
use crate::system::{Asked, files};

/// The unified kernel image that a generation brings.
const KERNEL: &str = "boot/minos.efi";
/// Where the new state is put together, below the state root; what a kill leaves goes with the next start.
const STAGING: &str = "scratch/image";
/// Files of the machine that its users have on the new disk as well. Keys of the host and names of the machine are
/// not among them: two machines must not have the same.
const ACCOUNTS: [&str; 6] =
    ["etc/passwd", "etc/shadow", "etc/group", "etc/gshadow", "etc/subuid", "etc/subgid"];
/// The longest of them that is copied, in bytes.
const LONGEST: u64 = 1 << 20;
/// A file system has an inode for so many bytes.
const BYTES_PER_INODE: u64 = 16 << 10;
/// Journal, tables, and room for the database and for a first change.
const SPARE: u64 = 256 << 20;
/// How often somebody who waits is told that the disk is still being written.
const TELL: Duration = Duration::from_secs(2);

impl Asked<'_> {
    /// Makes a disk of a generation.
    pub(in crate::system) fn image(&self, wish: &ImageWish) -> Result<Sheet, ErrorReport> {
        let disk = PathBuf::from(&wish.disk);
        if !disk.is_absolute() {
            return Err(invalid(format!("'{}' is no absolute path", wish.disk), "name it from /"));
        }
        let _changing = self.packages.changing()?;
        self.audit(format!("make disk {} of generation {}", wish.disk, wish.generation))?;
        let mut efi = self.kernel(wish)?;
        self.progress("linking", None, 0, 0);
        let made = self.stage(wish.generation).and_then(|staged| {
            let exported = staged.1;
            self.write_disk(wish, &disk, &staged.0, exported, &mut efi)
                .map(|bytes| (exported, bytes))
        });
        let cleared = clear(&self.packages.path(STAGING));
        let (exported, bytes) = made?;
        cleared?;
        let sheet = Sheet::new("image")
            .fact("generation", wish.generation)
            .fact("disk", wish.disk.clone())
            .fact("size", Field::Bytes(bytes))
            .fact("content", Field::Bytes(exported.bytes));
        Ok(sheet.note(format!("{} boots generation {}", wish.disk, wish.generation)))
    }

    /// The unified kernel image, of the generation if nothing else is named.
    fn kernel(&self, wish: &ImageWish) -> Result<File, ErrorReport> {
        self.row(wish.generation)?;
        let path = match &wish.efi {
            Some(path) => PathBuf::from(path),
            None => self.packages.path(&format!("roots/{}/{KERNEL}", wish.generation)),
        };
        let hint = "--efi names a unified kernel image, such as out/minos.efi of 'minos-image efi'";
        let file = match File::open(&path) {
            Ok(file) if file.metadata().is_ok_and(|meta| meta.is_file()) => file,
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(on_named("open", &path, &e));
            }
            _ => return Err(not_found(format!("there is no kernel at {}", path.display()), hint)),
        };
        let wrong = |why| {
            let what = format!("'{}' is no program that firmware starts: {why}", path.display());
            invalid(what, hint)
        };
        efi::check(&file).map_err(wrong).map(|()| file)
    }

    /// Puts the new machine's state together.
    fn stage(&self, generation: u64) -> Result<(PathBuf, Exported), ErrorReport> {
        let packages = self.packages;
        let staging = packages.path(STAGING);
        clear(&staging)?;
        let system = self.system()?;
        let exported =
            system.export(generation, Path::new(STAGING)).map_err(|e| system_error(&e))?;
        self.make_rows(&staging)?;
        // Where its own root is gone, the current one has the same accounts.
        let root = [format!("roots/{generation}"), "current".to_owned()];
        let root = root.map(|name| packages.path(&name)).into_iter().find(|path| path.is_dir());
        if let Some(root) = root {
            let to = staging.join(format!("roots/{generation}"));
            ACCOUNTS.iter().try_for_each(|path| copy_inside(&root, &to, path))?;
        }
        self.trusted_keys(&staging)?;
        folder(&staging.join("boot"))?;
        let (tries, id) = (bootnext::TRIES, files::random()?);
        let next = BootNext { generation, proven: false, tries, id };
        files::replace(&staging.join(bootnext::PATH), &next.encode(), 0o600)?;
        files::replace(&staging.join("boot/asked"), format!("{generation}\n").as_bytes(), 0o600)?;
        Ok((staging, exported))
    }

    /// Database and root of the new state.
    fn make_rows(&self, staging: &Path) -> Result<(), ErrorReport> {
        let now = self.service.now_ms();
        let store = Store::open(staging, now, Options::default()).map_err(|e| state_error(&e))?;
        let fs = RealFs::new(staging).map_err(|e| on_file("open", staging, &e))?;
        let system = System::new(&store, &fs, SystemOptions::default());
        let system = system.map_err(|e| system_error(&e))?;
        system.rebuild().map_err(|e| system_error(&e))?;
        system.settle(&|| now).map_err(|e| system_error(&e))?;
        Ok(())
    }

    /// The keys that packages may be signed with come along; the machine's own secret one does not.
    fn trusted_keys(&self, staging: &Path) -> Result<(), ErrorReport> {
        let (from, to) = (self.packages.path("keys"), staging.join("keys"));
        folder(&to)?;
        let public = |name: &String| name.ends_with(".pub") || name.ends_with(".revoked");
        let names = files::names(&from)?.into_iter().filter(public);
        names.into_iter().try_for_each(|name| copy(&from.join(&name), &to.join(&name)))
    }

    /// Writes the disk; how long it is.
    fn write_disk(
        &self,
        wish: &ImageWish,
        disk: &Path,
        staging: &Path,
        exported: Exported,
        efi: &mut File,
    ) -> Result<u64, ErrorReport> {
        let kernel = efi.metadata().map_err(|e| on_file("look at", disk, &e))?.len();
        let least = (exported.bytes / 4 * 5).max(exported.paths * BYTES_PER_INODE) + SPARE;
        let parts = |sector: u64| {
            [
                Part { kind: Kind::Esp, name: "minos-esp", bytes: esp::size(kernel, sector) },
                Part { kind: Kind::Linux, name: ext4::LABEL, bytes: least },
            ]
        };
        let bytes = if wish.bytes == 0 { table::smallest(&parts(512)) } else { wish.bytes };
        let target =
            Target::open(disk, wish.serial.as_deref(), bytes).map_err(|e| disk_error(&e))?;
        let parts = parts(target.disk().sector);
        let salt = files::random()?;
        self.fill(target, &parts, salt, staging, efi).map_err(|e| disk_error(&e))
    }

    /// Fills the partitions and makes them durable before there is a table that names them: whatever is cut, there is
    /// no disk that looks whole and is not.
    fn fill(
        &self,
        target: Target,
        parts: &[Part<'_>],
        salt: [u8; 8],
        staging: &Path,
        efi: &mut File,
    ) -> Result<u64, DiskError> {
        let disk = target.disk();
        let extents = table::layout(disk, parts)?;
        let [kernel, state] = extents.as_slice() else { return Ok(0) };
        if target.is_device() {
            table::erase(disk)?;
        }
        esp::write(disk.file, disk.path, *kernel, disk.sector, efi)?;
        let target = target.lend(|path| self.populate(path, *state, staging))?;
        table::create(target.disk(), parts, &salt)?;
        target.finish()
    }

    /// Makes the state's file system, and tells meanwhile that there is something to wait for.
    fn populate(&self, disk: &Path, state: Extent, staging: &Path) -> Result<(), DiskError> {
        thread::scope(|scope| {
            let (done, wait) = channel();
            scope.spawn(move || done.send(ext4::populate(disk, state, staging)));
            loop {
                match wait.recv_timeout(TELL) {
                    Ok(result) => return result,
                    Err(_) => self.progress("writing", None, 0, 0),
                }
            }
        })
    }
}

fn folder(path: &Path) -> Result<(), ErrorReport> {
    let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(path);
    made.map_err(|e| on_file("create", path, &e))
}

/// Copies a file of accounts from one root into another. Neither is left by a link: what stands behind one may be
/// anybody's, and would be on every disk that is made.
fn copy_inside(from: &Path, to: &Path, path: &str) -> Result<(), ErrorReport> {
    let at = from.join(path);
    let failed = |e: io::Error| on_file("copy", &at, &e);
    let root = Root::open(from).map_err(failed)?;
    let folder = Root::open(to).and_then(|to| to.standing("etc")).map_err(failed)?;
    let Some(meta) = root.standing(path).map_err(failed)? else { return Ok(()) };
    if !meta.is_file() || !folder.is_some_and(|folder| folder.is_dir()) {
        return Err(invalid(
            format!("'{}' is no regular file in a folder of its own", at.display()),
            "put the file itself there; what links lead to is not copied to other machines",
        ));
    }
    let bytes = root.read(path, LONGEST).map_err(failed)?.unwrap_or_default();
    put(&to.join(path), &bytes, &meta).map_err(failed)
}

/// Copies a small file with mode and owner, in the place of what is there; one that is not there is none.
fn copy(from: &Path, to: &Path) -> Result<(), ErrorReport> {
    let Some(bytes) = files::read(from)? else { return Ok(()) };
    let copied = fs::metadata(from).and_then(|meta| put(to, &bytes, &meta));
    copied.map_err(|e| on_file("copy", to, &e))
}

/// Writes a file anew, never through a link and never into a file that an object shares.
fn put(to: &Path, bytes: &[u8], meta: &fs::Metadata) -> io::Result<()> {
    match fs::remove_file(to) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => fs::write(to, bytes)?,
    }
    chown(to, Some(meta.uid()), Some(meta.gid()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(meta.mode() & 0o7777))
}

fn clear(path: &Path) -> Result<(), ErrorReport> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(on_file("delete", path, &e)),
        _ => Ok(()),
    }
}

fn disk_error(error: &DiskError) -> ErrorReport {
    let kind = match error {
        DiskError::Exists(_) | DiskError::Busy(_) | DiskError::Serial { .. } => ErrorKind::Conflict,
        DiskError::NoDisk { .. } | DiskError::TooSmall { .. } => ErrorKind::Invalid,
        DiskError::Tool { .. } => ErrorKind::Machine,
        DiskError::Place { source, .. } => match source.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Machine,
            _ => ErrorKind::Invalid,
        },
        _ => ErrorKind::State,
    };
    ErrorReport::new(kind, error.to_string(), error.hint())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::copy_inside;

    /// A link in the place of `/etc/passwd` put a file of the machine that nobody may read on every disk, for all to read.
    #[test]
    fn accounts_are_copied_from_no_link_and_through_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs::create_dir_all(at("from/etc")).unwrap();
        fs::create_dir_all(at("to/etc")).unwrap();
        fs::write(at("secret"), "secret").unwrap();
        fs::write(at("from/etc/group"), "root:x:0:\n").unwrap();
        copy_inside(&at("from"), &at("to"), "etc/group").unwrap();
        assert_eq!(fs::read_to_string(at("to/etc/group")).unwrap(), "root:x:0:\n");
        copy_inside(&at("from"), &at("to"), "etc/gshadow").unwrap();
        assert!(!at("to/etc/gshadow").exists(), "what is not there is none");
        symlink("../../secret", at("from/etc/passwd")).unwrap();
        let refused = copy_inside(&at("from"), &at("to"), "etc/passwd").unwrap_err();
        assert!(refused.what.contains("is no regular file"), "{refused:?}");
        fs::remove_dir_all(at("to/etc")).unwrap();
        symlink("../outside", at("to/etc")).unwrap();
        fs::create_dir(at("outside")).unwrap();
        copy_inside(&at("from"), &at("to"), "etc/group").unwrap_err();
        assert_eq!(fs::read_dir(at("outside")).unwrap().count(), 0);
    }
}
