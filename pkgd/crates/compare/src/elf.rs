//! ELF: in which sections two files differ.

use std::collections::BTreeMap;

use elf::ElfBytes;
use elf::abi::SHT_NOBITS;
use elf::endian::AnyEndian;
use elf::section::SectionHeader;

use crate::content::Found;
use crate::report::Kind;

/// Sections that are looked at: object files of large programs have some ten thousand.
const MOST_SECTIONS: usize = 1 << 16;
/// Longest name of a section that is read.
const MOST_NAME: usize = 256;
/// Sections named in the words.
const NAMED: usize = 8;
/// The section with the build id.
const BUILD_ID: &str = ".note.gnu.build-id";

type Elf<'a> = ElfBytes<'a, AnyEndian>;

/// What a section says of itself beside its place in the file, and its contents. Several sections may have
/// one name; then all of them in their order.
type Sections<'a> = BTreeMap<String, Vec<(u32, u64, &'a [u8])>>;

/// `None` if either is no ELF file that can be read.
pub(crate) fn look(first: &[u8], second: &[u8]) -> Option<Found> {
    let (a, b) = (sections(first)?, sections(second)?);
    // Overlapping sections could make two short files take for ever.
    let mut budget = 4 * (first.len() + second.len());
    let mut differing = Vec::new();
    for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
        match (a.get(name), b.get(name)) {
            (Some(one), Some(other)) if same(one, other, &mut budget)? => {}
            (Some(_), None) => differing.push((name, " (only in the first)")),
            (None, _) => differing.push((name, " (only in the second)")),
            _ => differing.push((name, "")),
        }
    }
    Some(Found::new(kind(&differing), words(&differing)))
}

fn kind(differing: &[(&String, &str)]) -> Kind {
    let debug = |name: &str| {
        name == ".gnu_debuglink" || name.starts_with(".debug_") || name.starts_with(".zdebug_")
    };
    let all = |of: &dyn Fn(&str) -> bool| differing.iter().all(|(name, _)| of(name));
    match differing.is_empty() {
        false if all(&|name| name == BUILD_ID) => Kind::ElfBuildId,
        false if all(&|name| name == BUILD_ID || debug(name)) => Kind::ElfDebug,
        _ => Kind::Elf,
    }
}

fn words(differing: &[(&String, &str)]) -> String {
    let named: Vec<String> =
        differing.iter().take(NAMED).map(|(name, how)| format!("{name}{how}")).collect();
    match (differing.len(), differing.len().saturating_sub(NAMED)) {
        (0, _) => "head, segments or the space between sections".to_owned(),
        (1, _) => format!("section {}", named.concat()),
        (_, 0) => format!("sections {}", named.join(", ")),
        (_, more) => format!("sections {} and {more} more", named.join(", ")),
    }
}

/// `None` when the budget is used up.
fn same(
    one: &[(u32, u64, &[u8])],
    other: &[(u32, u64, &[u8])],
    budget: &mut usize,
) -> Option<bool> {
    if one.len() != other.len() {
        return Some(false);
    }
    for (a, b) in one.iter().zip(other) {
        *budget = budget.checked_sub(a.2.len().min(b.2.len()))?;
        if a != b {
            return Some(false);
        }
    }
    Some(true)
}

fn sections(bytes: &[u8]) -> Option<Sections<'_>> {
    let elf = Elf::minimal_parse(bytes).ok()?;
    let headers = elf.section_headers().filter(|table| table.len() <= MOST_SECTIONS)?;
    let names = headers.get(elf.ehdr.e_shstrndx.into()).ok()?;
    let names = contents(bytes, &names)?;
    let mut sections = Sections::new();
    for header in headers.iter() {
        let name = name(names, header.sh_name as usize)?;
        let contents = contents(bytes, &header)?;
        sections.entry(name).or_default().push((header.sh_type, header.sh_flags, contents));
    }
    Some(sections)
}

fn contents<'a>(bytes: &'a [u8], header: &SectionHeader) -> Option<&'a [u8]> {
    if header.sh_type == SHT_NOBITS {
        return Some(&[]);
    }
    let from = usize::try_from(header.sh_offset).ok()?;
    let length = usize::try_from(header.sh_size).ok()?;
    bytes.get(from..from.checked_add(length)?)
}

/// A name of at most [`MOST_NAME`] bytes: longer ones would have to be read over and over.
fn name(names: &[u8], at: usize) -> Option<String> {
    let rest = names.get(at..)?;
    let rest = &rest[..rest.len().min(MOST_NAME)];
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    Some(String::from_utf8_lossy(&rest[..end]).into_owned())
}
