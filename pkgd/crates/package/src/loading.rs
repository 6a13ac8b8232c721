//! What the kernel and the loader need to start a program: its interpreter, its libraries, and where it has them
//! looked for. (System V gABI, "Program Header" and "Dynamic Linking"; ld.so(8).)

use std::ops::Range;

use elf::ElfBytes;
use elf::abi;
use elf::dynamic::DynamicTable;
use elf::endian::AnyEndian;
use elf::file::Class;
use elf::parse::ParseError;
use elf::segment::ProgramHeader;
use elf::string_table::StringTable;

/// A file with more libraries and lists of folders is refused.
const MAX_NAMES: usize = 1 << 10;
/// Entries that name something.
const NAMED: [i64; 3] = [abi::DT_NEEDED, abi::DT_RUNPATH, abi::DT_RPATH];
/// More sections of one file are not looked at: object files of large programs have some ten thousand.
const MAX_SECTIONS: usize = 1 << 16;

/// What a program or library says of how it is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loading {
    /// What it runs on: `e_machine` and whether it is of 64 bits. A loader passes over libraries of another kind.
    pub machine: (u16, bool),
    /// The loader, an absolute path; none in a static program or a library.
    pub interpreter: Option<String>,
    /// Names of the libraries it is linked with; one with a `/` in it is a path.
    pub needed: Vec<String>,
    /// Folders to look in first, as `DT_RUNPATH` or `DT_RPATH` has them; `$ORIGIN` is the file's own.
    pub search: Vec<String>,
}

/// Reads the headers of an ELF program or library; `None` for any other file.
///
/// # Errors
/// It says it is an ELF file and cannot be read as one; in words.
pub fn loading(bytes: &[u8]) -> Result<Option<Loading>, String> {
    if !bytes.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    let bad = |e: ParseError| format!("not a readable ELF file: {e}");
    let elf = ElfBytes::<AnyEndian>::minimal_parse(bytes).map_err(bad)?;
    let machine = (elf.ehdr.e_machine, elf.ehdr.class == Class::ELF64);
    let interpreter = interpreter(&elf).map_err(bad)?;
    let mut found = Loading { machine, interpreter, ..Loading::default() };
    dynamic(&elf, bytes, &mut found).map_err(bad)?;
    Ok(Some(found))
}

/// Where an ELF file keeps what only debuggers read: the places of its `.debug_*` sections in the file, in bytes. None
/// for any other file, and for one whose table of sections cannot be read.
pub fn debug_sections(bytes: &[u8]) -> Vec<Range<u64>> {
    let Ok(elf) = ElfBytes::<AnyEndian>::minimal_parse(bytes) else { return Vec::new() };
    let Ok((Some(headers), Some(names))) = elf.section_headers_with_strtab() else {
        return Vec::new();
    };
    let debug = |at: u32| {
        let name = names.get_raw(at as usize).unwrap_or_default();
        name.starts_with(b".debug_") || name.starts_with(b".zdebug_")
    };
    let sections = headers.iter().take(MAX_SECTIONS).filter(|header| debug(header.sh_name));
    sections
        .filter(|header| header.sh_type != abi::SHT_NOBITS)
        .map(|header| header.sh_offset..header.sh_offset.saturating_add(header.sh_size))
        .collect()
}

fn interpreter(elf: &ElfBytes<'_, AnyEndian>) -> Result<Option<String>, ParseError> {
    let is_loader = |header: &ProgramHeader| header.p_type == abi::PT_INTERP;
    let Some(header) = elf.segments().and_then(|list| list.iter().find(is_loader)) else {
        return Ok(None);
    };
    let bytes = elf.segment_data(&header)?;
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(text).into_owned()))
}

/// Takes what the loader takes: the segment, and of it the table of strings by its address. Sections are for linkers and
/// may be missing, or say other things.
fn dynamic(
    elf: &ElfBytes<'_, AnyEndian>,
    bytes: &[u8],
    found: &mut Loading,
) -> Result<(), ParseError> {
    let is_dynamic = |header: &ProgramHeader| header.p_type == abi::PT_DYNAMIC;
    let Some(header) = elf.segments().and_then(|list| list.iter().find(is_dynamic)) else {
        return Ok(());
    };
    let data = elf.segment_data(&header)?;
    let table = DynamicTable::new(elf.ehdr.endianness, elf.ehdr.class, data);
    let entries = || table.iter().take_while(|entry| entry.d_tag != abi::DT_NULL);
    let value = |tag| entries().find(|entry| entry.d_tag == tag).map(|entry| entry.d_val());
    let strings = match (value(abi::DT_STRTAB), value(abi::DT_STRSZ)) {
        (Some(address), Some(size)) => at_address(elf, bytes, address, size),
        _ => None,
    };
    let strings = StringTable::new(strings.unwrap_or_default());
    let names = entries().filter(|entry| NAMED.contains(&entry.d_tag));
    for (entry, count) in names.zip(0..) {
        let at = entry.d_val();
        if count == MAX_NAMES {
            return Err(ParseError::BadOffset(at));
        }
        let name = usize::try_from(at).map_err(|_| ParseError::BadOffset(at))?;
        let name = String::from_utf8_lossy(strings.get_raw(name)?).into_owned();
        if entry.d_tag == abi::DT_NEEDED {
            found.needed.push(name);
        } else {
            let folders = name.split(':').filter(|folder| !folder.is_empty());
            found.search.extend(folders.map(str::to_owned));
        }
    }
    Ok(())
}

/// So many bytes at an address of the program, as they stand in the file.
fn at_address<'a>(
    elf: &ElfBytes<'_, AnyEndian>,
    bytes: &'a [u8],
    address: u64,
    size: u64,
) -> Option<&'a [u8]> {
    let covers = |header: &ProgramHeader| {
        let inside = address.checked_sub(header.p_vaddr);
        header.p_type == abi::PT_LOAD && inside.is_some_and(|at| at < header.p_filesz)
    };
    let header = elf.segments()?.iter().find(covers)?;
    let start = header.p_offset.checked_add(address - header.p_vaddr)?;
    let end = usize::try_from(start.checked_add(size)?).ok()?;
    bytes.get(usize::try_from(start).ok()?..end)
}

#[cfg(test)]
mod tests {
    use super::{Loading, debug_sections, loading};

    #[test]
    fn what_is_no_elf_file_is_none_and_a_broken_one_is_said() {
        assert_eq!(loading(b"#!/bin/sh\n"), Ok(None));
        assert_eq!(loading(b""), Ok(None));
        assert!(loading(b"\x7fELF and no more").is_err());
    }

    /// This test program itself is static; a dynamic one is any program of a usual machine.
    #[test]
    fn programs_of_this_machine_tell_their_loader_and_libraries() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        let machine = loading(&own).unwrap().unwrap().machine;
        assert_eq!(loading(&own), Ok(Some(Loading { machine, ..Loading::default() })));
        assert!(machine.0 != 0 && machine.1, "{machine:?}");
        let shell = std::fs::canonicalize("/bin/sh").unwrap();
        let found = loading(&std::fs::read(shell).unwrap()).unwrap().unwrap();
        if found.interpreter.is_some() {
            assert!(found.needed.iter().any(|name| name.starts_with("libc.")), "{found:?}");
        } else {
            assert!(found.needed.is_empty(), "{found:?}");
        }
    }

    /// Cut and changed anywhere, a file gives an answer or a complaint.
    #[test]
    fn damaged_files_never_panic() {
        let own = std::fs::read("/bin/sh").unwrap();
        for at in 0..own.len().min(4096) {
            let mut bad = own.clone();
            bad[at] ^= 0xff;
            for bytes in [&bad[..], &own[..at]] {
                let _ = loading(bytes);
                let _ = debug_sections(bytes);
            }
        }
    }
}
