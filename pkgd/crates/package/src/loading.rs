//! What the kernel and the loader need to start a program: its interpreter, its libraries, and where it has them
//! looked for. (System V gABI, "Program Header" and "Dynamic Linking"; ld.so(8).)

use elf::ElfBytes;
use elf::abi;
use elf::endian::AnyEndian;
use elf::parse::ParseError;

/// More libraries, or folders to look in, of one file are not taken.
const MAX_NAMES: usize = 1 << 10;

/// What a program or library says of how it is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loading {
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
    let mut found = Loading { interpreter: interpreter(&elf), ..Loading::default() };
    dynamic(&elf, &mut found).map_err(bad)?;
    Ok(Some(found))
}

fn interpreter(elf: &ElfBytes<'_, AnyEndian>) -> Option<String> {
    let header = elf.segments()?.iter().find(|header| header.p_type == abi::PT_INTERP)?;
    let bytes = elf.segment_data(&header).ok()?;
    let text = bytes.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn dynamic(elf: &ElfBytes<'_, AnyEndian>, found: &mut Loading) -> Result<(), ParseError> {
    let common = elf.find_common_data()?;
    let (Some(table), Some(strings)) = (common.dynamic, common.dynsyms_strs) else {
        return Ok(());
    };
    for entry in table.iter().take_while(|entry| entry.d_tag != abi::DT_NULL).take(MAX_NAMES) {
        let name = || usize::try_from(entry.d_val()).ok().and_then(|at| strings.get(at).ok());
        match entry.d_tag {
            abi::DT_NEEDED => found.needed.extend(name().map(str::to_owned)),
            abi::DT_RUNPATH | abi::DT_RPATH => {
                let folders = name().into_iter().flat_map(|list| list.split(':'));
                let room = MAX_NAMES.saturating_sub(found.search.len());
                found.search.extend(
                    folders.filter(|folder| !folder.is_empty()).take(room).map(str::to_owned),
                );
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Loading, loading};

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
        assert_eq!(loading(&own), Ok(Some(Loading::default())));
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
            let _ = loading(&bad);
            let _ = loading(&own[..at]);
        }
    }
}
