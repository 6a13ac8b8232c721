//! ELF: which shared libraries a program needs, which one a library is, and with which symbol versions.
//! (System V gABI, "Dynamic Linking"; LSB Core, "Symbol Versioning" for the GNU sections.)

use std::collections::BTreeSet;

use elf::ElfBytes;
use elf::abi;
use elf::endian::AnyEndian;
use elf::file::Class;
use elf::gnu_symver::{VerDefIterator, VerNeedIterator};
use elf::parse::ParseError;
use elf::string_table::StringTable;
use minos_model::package::PackagePath;
use minos_model::{CapabilityKind, Constraint};

use super::Scanner;

/// More names in one file are not taken: no real file has as many, and a made-up one can repeat them without end.
const MAX_NAMES: usize = 1 << 14;
/// Folders in which the loader looks for libraries.
const LIB: [&[u8]; 6] = [b"lib", b"lib32", b"lib64", b"usr/lib", b"usr/lib32", b"usr/lib64"];

type Elf<'a> = ElfBytes<'a, AnyEndian>;

/// What one file says, by name.
#[derive(Default)]
struct Linkage {
    soname: Option<String>,
    needed: BTreeSet<String>,
    /// Library and version.
    versions_needed: BTreeSet<(String, String)>,
    versions_defined: BTreeSet<String>,
}

pub(super) fn file(scanner: &mut Scanner, path: &PackagePath, bytes: &[u8]) {
    let elf = match Elf::minimal_parse(bytes) {
        Ok(elf) => elf,
        Err(error) => return scanner.note(path, format!("not a readable ELF file: {error}")),
    };
    // Objects and kernel modules are linked by nobody at run time.
    if !matches!(elf.ehdr.e_type, abi::ET_EXEC | abi::ET_DYN) {
        return;
    }
    let machine = machine(elf.ehdr.e_machine, elf.ehdr.class);
    scanner.found.machines.insert(machine.clone());
    match linkage(&elf) {
        Ok(linkage) => tell(scanner, path, &machine, &linkage),
        Err(error) => scanner.note(path, format!("its dynamic section cannot be read: {error}")),
    }
}

/// The machine as `uname -m` writes it.
fn machine(number: u16, class: Class) -> String {
    let name = match (number, class) {
        (abi::EM_X86_64, Class::ELF64) => "x86_64",
        (abi::EM_X86_64, Class::ELF32) => "x32",
        (abi::EM_386, _) => "i386",
        (abi::EM_AARCH64, _) => "aarch64",
        (abi::EM_ARM, _) => "arm",
        (abi::EM_RISCV, Class::ELF64) => "riscv64",
        (abi::EM_PPC64, _) => "ppc64",
        _ => return format!("em{number}"),
    };
    name.to_owned()
}

fn linkage(elf: &Elf<'_>) -> Result<Linkage, ParseError> {
    let mut found = Linkage::default();
    let common = elf.find_common_data()?;
    if let (Some(dynamic), Some(strings)) = (common.dynamic, common.dynsyms_strs) {
        for entry in dynamic.iter().take_while(|entry| entry.d_tag != abi::DT_NULL).take(MAX_NAMES)
        {
            let name = || usize::try_from(entry.d_val()).ok().and_then(|at| strings.get(at).ok());
            match entry.d_tag {
                abi::DT_NEEDED => found.needed.extend(name().map(str::to_owned)),
                abi::DT_SONAME => found.soname = name().map(str::to_owned),
                _ => {}
            }
        }
    }
    versions(elf, &mut found)?;
    Ok(found)
}

fn versions(elf: &Elf<'_>, found: &mut Linkage) -> Result<(), ParseError> {
    let Some(sections) = elf.section_headers() else { return Ok(()) };
    for section in sections.iter() {
        let needs = section.sh_type == abi::SHT_GNU_VERNEED;
        if !needs && section.sh_type != abi::SHT_GNU_VERDEF {
            continue;
        }
        let strings = elf.section_data_as_strtab(&sections.get(section.sh_link as usize)?)?;
        let (data, _) = elf.section_data(&section)?;
        let (endian, class) = (elf.ehdr.endianness, elf.ehdr.class);
        let count = u64::from(section.sh_info).min(MAX_NAMES as u64);
        if needs {
            needed(VerNeedIterator::new(endian, class, count, 0, data), &strings, found)?;
        } else {
            defined(VerDefIterator::new(endian, class, count, 0, data), &strings, found)?;
        }
    }
    Ok(())
}

fn needed(
    list: VerNeedIterator<'_, AnyEndian>,
    strings: &StringTable<'_>,
    found: &mut Linkage,
) -> Result<(), ParseError> {
    let mut budget = MAX_NAMES;
    for (need, aux) in list {
        let library = strings.get(need.vn_file as usize)?;
        for version in aux.take(budget) {
            budget = budget.saturating_sub(1);
            let version = strings.get(version.vna_name as usize)?;
            found.versions_needed.insert((library.to_owned(), version.to_owned()));
        }
    }
    Ok(())
}

fn defined(
    list: VerDefIterator<'_, AnyEndian>,
    strings: &StringTable<'_>,
    found: &mut Linkage,
) -> Result<(), ParseError> {
    for (definition, mut aux) in list {
        // The first name is the version's own, the others are those it follows; the base is the library itself.
        if definition.vd_flags & abi::VER_FLG_BASE == 0
            && let Some(name) = aux.next()
        {
            found.versions_defined.insert(strings.get(name.vda_name as usize)?.to_owned());
        }
    }
    Ok(())
}

fn tell(scanner: &mut Scanner, path: &PackagePath, machine: &str, found: &Linkage) {
    let folder = path.parent().unwrap_or_default();
    let below_usr = folder.strip_prefix(b"usr/").unwrap_or(folder);
    let multiarch =
        below_usr.strip_prefix(b"lib/").is_some_and(|rest| rest.ends_with(b"-linux-gnu"));
    let public = LIB.contains(&folder) || multiarch;
    let file_name = String::from_utf8_lossy(path.file_name()).into_owned();
    // The loader takes the file's name where the library does not name itself.
    let library = found.soname.clone().or_else(|| file_name.contains(".so").then_some(file_name));
    if let Some(library) = library {
        let versions = found.versions_defined.iter().map(|v| format!("{library}({machine})({v})"));
        for name in std::iter::once(format!("{library}({machine})")).chain(versions) {
            if public {
                scanner.provide(path, CapabilityKind::Soname, &name, None);
            } else if let Some(id) = scanner.name(path, CapabilityKind::Soname, &name) {
                scanner.private.insert(id);
            }
        }
    }
    let versions = found.versions_needed.iter().map(|(l, v)| format!("{l}({machine})({v})"));
    for name in found.needed.iter().map(|l| format!("{l}({machine})")).chain(versions) {
        scanner.require(path, CapabilityKind::Soname, &name, Constraint::ANY);
    }
}
