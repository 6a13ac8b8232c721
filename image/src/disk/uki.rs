//! The unified kernel image: one EFI program of stub, kernel, initramfs and command line.
//!
//! Format: the UAPI group's UKI specification; systemd-stub(7). Sections are added with objcopy
//! behind the stub's last one, at addresses computed from what `objdump` says of this stub, since
//! the fixed addresses of older guides overlap in newer stubs.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::disk::Efi;
use crate::tool::Run;
use crate::{Error, Result, cache};

/// Where Debian's package systemd-boot-efi puts it.
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
/// Where a PE file says where its header is, and where in that time stamp and checksum are (PE
/// format, sections "MS-DOS stub", "COFF file header" and "optional header").
const PE_OFFSET: u64 = 0x3c;
const PE_TIMESTAMP: u64 = 8;
const PE_CHECKSUM: u64 = 24 + 64;
const PE_MAGIC: &[u8; 4] = b"PE\0\0";
/// Linux, Documentation/admin-guide/kernel-parameters.txt.
const GPT: &str = "gpt";
/// Alignment of PE sections in memory.
const PAGE: u64 = 4096;

/// Writes the image to `efi`.
pub fn make(request: &Efi, efi: &Path) -> Result<()> {
    let stub = request.stub.clone().unwrap_or_else(|| PathBuf::from(STUB));
    if !stub.is_file() {
        let tool = stub.display().to_string();
        return Err(Error::ToolMissing { tool, package: "systemd-boot-efi" });
    }
    for (what, path) in [("the kernel", &request.kernel), ("the initramfs", &request.initramfs)] {
        if !path.is_file() {
            let next = "minos-image all".to_owned();
            return Err(Error::Missing { what: what.to_owned(), path: path.clone(), next });
        }
    }
    let cmdline = cache::sibling(efi, "cmdline");
    fs::write(&cmdline, command_line(&request.cmdline)).map_err(Error::io("write", &cmdline))?;
    let sections =
        [(".cmdline", &cmdline), (".linux", &request.kernel), (".initrd", &request.initramfs)];
    let mut run = Run::new("objcopy")?.env("SOURCE_DATE_EPOCH", "0");
    let mut address = end_of(&stub)?;
    for (name, path) in sections {
        let bytes = fs::metadata(path).map_err(Error::io("look at", path))?.len();
        let mut add = std::ffi::OsString::from(format!("{name}="));
        add.push(path);
        run = run.arg("--add-section").arg(add);
        run = run.arg("--change-section-vma").arg(format!("{name}={address:#x}"));
        address = (address + bytes).next_multiple_of(PAGE);
    }
    let fresh = cache::Fresh::of(efi);
    run.arg(&stub).arg(fresh.path()).output()?;
    clear_time(fresh.path())?;
    fresh.place()?;
    cache::remove_if_there(&cmdline)
}

/// What was asked for, and the word with which the kernel takes the second copy of a partition table where the first is
/// damaged. Without it a disk whose table was being changed when the power went has no partitions, unless the firmware
/// mends the first copy, which not every one does.
fn command_line(asked: &str) -> String {
    match asked.split_whitespace().any(|word| word == GPT) {
        true => asked.to_owned(),
        // In front: what comes behind a "--" is not for the kernel.
        false => format!("{GPT} {asked}"),
    }
}

/// The first free page behind the stub's sections.
fn end_of(stub: &Path) -> Result<u64> {
    let text = Run::new("objdump")?.args(["-h", "-w"]).arg(stub).output()?;
    let ends = text.lines().filter_map(section_end);
    let end =
        ends.max().ok_or_else(|| Error::parse(stub, "not an EFI stub: it has no sections"))?;
    Ok(end.next_multiple_of(PAGE))
}

/// Clears time stamp and checksum: objcopy writes the current time, binutils 2.40 offer no way out,
/// and the checksum covers it. Firmware reads neither; 0 means "not computed".
fn clear_time(efi: &Path) -> Result<()> {
    let file = File::options().read(true).write(true).open(efi).map_err(Error::io("open", efi))?;
    let read = |at: u64| -> Result<[u8; 4]> {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, at).map_err(Error::io("read", efi))?;
        Ok(bytes)
    };
    let header = u64::from(u32::from_le_bytes(read(PE_OFFSET)?));
    if &read(header)? != PE_MAGIC {
        return Err(Error::parse(efi, "objcopy made no PE file of the stub"));
    }
    for field in [PE_TIMESTAMP, PE_CHECKSUM] {
        file.write_all_at(&[0; 4], header + field).map_err(Error::io("write", efi))?;
    }
    Ok(())
}

/// `  0 .text  0000ab10  0000000000004000  ...`: index, name, size, address.
fn section_end(line: &str) -> Option<u64> {
    let mut fields = line.split_whitespace();
    fields.next()?.parse::<u32>().ok()?;
    fields.next()?;
    let size = u64::from_str_radix(fields.next()?, 16).ok()?;
    let address = u64::from_str_radix(fields.next()?, 16).ok()?;
    address.checked_add(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_line_has_the_word_for_the_second_copy_of_a_table_once() {
        for (asked, line) in [
            ("console=tty0 panic=-1", "gpt console=tty0 panic=-1"),
            ("console=tty0 gpt quiet", "console=tty0 gpt quiet"),
            ("quiet -- word", "gpt quiet -- word"),
            ("gptx", "gpt gptx"),
        ] {
            assert_eq!(command_line(asked), line);
        }
    }

    #[test]
    fn section_lines_and_no_others() {
        let line = "  3 .data  00000010  0000000140004000  0000000140004000  00000400  2**4  DATA";
        assert_eq!(section_end(line), Some(0x1_4000_4010));
        for other in ["Idx Name  Size  VMA", "", "stub: file format pei-x86-64", "  3 .x zz 00"] {
            assert_eq!(section_end(other), None, "{other}");
        }
    }
}
