//! The EFI system partition: FAT32 with one file, the path firmware looks for by itself.

use std::fs::{self, File};
use std::path::Path;

use crate::tool::Run;
use crate::{Error, Result, cache};

/// The removable-media path of UEFI 2.10, section 3.5.1.1, for x86-64.
const BOOT_PATH: [&str; 3] = ["EFI", "BOOT", "BOOTX64.EFI"];
const MIB: u64 = 1 << 20;
/// FAT32 needs 65,525 clusters; with 512-byte sectors that is 33 MiB.
const SMALLEST: u64 = 64 * MIB;
const EPOCH: &str = "1740787200";

/// Writes a file system image with `efi` in it to `image`, with room for a second one: a new kernel
/// must be whole on the disk before the old one goes.
pub fn make(efi: &Path, image: &Path) -> Result<()> {
    let bytes = fs::metadata(efi).map_err(Error::io("look at", efi))?.len();
    let size = (2 * bytes + 8 * MIB).next_multiple_of(MIB).max(SMALLEST);
    cache::remove_if_there(image)?;
    let file = File::create(image).map_err(Error::io("create", image))?;
    file.set_len(size).map_err(Error::io("set the size of", image))?;
    Run::new("mkfs.fat")?
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .args(["-F", "32", "-s", "1", "-n", "MINOS-ESP", "--invariant"])
        .arg(image)
        .output()?;
    let [efi_dir, boot, file_name] = BOOT_PATH;
    for dir in [format!("::{efi_dir}"), format!("::{efi_dir}/{boot}")] {
        mtool("mmd", image)?.arg(dir).output()?;
    }
    let to = format!("::{efi_dir}/{boot}/{file_name}");
    mtool("mcopy", image)?.arg(efi).arg(to).output()?;
    Ok(())
}

/// mtools take the time of new entries from SOURCE_DATE_EPOCH.
fn mtool(tool: &str, image: &Path) -> Result<Run> {
    let run = Run::new(tool)?.env("SOURCE_DATE_EPOCH", EPOCH).env("MTOOLS_SKIP_CHECK", "1");
    Ok(run.arg("-i").arg(image))
}
