//! Whether a file is a program that UEFI firmware starts on this kind of machine.
//!
//! The form is Microsoft's "PE Format": the MS-DOS stub, the COFF header (machine) and the optional header (subsystem).
//! By hand, since four fields are asked for: a disk with anything else in the place of its kernel looks whole and does
//! not boot.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Where the MS-DOS stub has the offset of the signature.
const OFFSET: u64 = 0x3c;
/// From the signature to the machine, and to the subsystem in the optional header (PE32 and PE32+ alike).
const MACHINE: usize = 4;
const SUBSYSTEM: usize = 24 + 68;
/// `IMAGE_FILE_MACHINE_AMD64`.
const X86_64: u16 = 0x8664;
/// `IMAGE_SUBSYSTEM_EFI_APPLICATION`.
const EFI_APPLICATION: u16 = 10;

/// Checks the headers; nothing behind them is looked at.
///
/// # Errors
/// What it is not, in words.
pub fn check(file: &File) -> Result<(), String> {
    if bytes::<2>(file, 0)? != *b"MZ" {
        return Err("it does not begin with MZ".to_owned());
    }
    let at = u64::from(u32::from_le_bytes(bytes(file, OFFSET)?));
    let header: [u8; SUBSYSTEM + 2] = bytes(file, at)?;
    if !header.starts_with(b"PE\0\0") {
        return Err("it has no PE header".to_owned());
    }
    let field = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    match (field(MACHINE), field(SUBSYSTEM)) {
        (X86_64, EFI_APPLICATION) => Ok(()),
        (X86_64, other) => Err(format!("its subsystem is {other}, not {EFI_APPLICATION} (EFI)")),
        (other, _) => Err(format!("it is for machine {other:#06x}, not {X86_64:#06x} (x86-64)")),
    }
}

fn bytes<const N: usize>(file: &File, at: u64) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(bytes),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err("it is cut short".to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::check;

    fn program(machine: u16, subsystem: u16) -> Vec<u8> {
        let mut bytes = vec![0; 0x100];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x80;
        bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
        bytes[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
        bytes[0xdc..0xde].copy_from_slice(&subsystem.to_le_bytes());
        bytes
    }

    fn checked(bytes: &[u8]) -> Result<(), String> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("written");
        check(&file)
    }

    /// `image build --efi /etc/passwd` made a disk, with that as its kernel.
    #[test]
    fn only_a_program_for_this_firmware_is_a_kernel() {
        let good = program(0x8664, 10);
        assert_eq!(checked(&good), Ok(()));
        let mut unsigned = good.clone();
        unsigned[0x80] = 0;
        let mut far = good.clone();
        far[0x3f] = 0xff;
        let cases = [
            (b"root:x:0:0\n".to_vec(), "begin with MZ"),
            (b"MZ".to_vec(), "cut short"),
            (Vec::new(), "cut short"),
            (good[..0xdd].to_vec(), "cut short"),
            (far, "cut short"),
            (unsigned, "no PE header"),
            (program(0xaa64, 10), "machine 0xaa64"),
            (program(0x8664, 3), "subsystem is 3"),
        ];
        for (bytes, why) in cases {
            let said = checked(&bytes).expect_err(why);
            assert!(said.contains(why), "{said}");
        }
        let own = std::env::current_exe().expect("this program");
        assert!(check(&File::open(own).expect("it")).is_err(), "an ELF program");
    }
}
