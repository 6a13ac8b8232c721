//! The index: one encoding, and no bytes that harm.

mod support;

use minos_solve::index::{
    BuildError, Entry, HEADER, IndexError, Package, Repository, Table, build,
};
use minos_solve::synth;
use proptest::prelude::{any, prop, proptest};
use support::package;

fn main() -> Vec<Repository> {
    vec![
        Repository { name: "main".to_owned(), priority: 10 },
        Repository { name: "other".to_owned(), priority: -5 },
    ]
}

fn entries() -> Vec<Entry> {
    let mut list: Vec<Entry> = [
        "a 1.0: needs b>=1 | c; needs d if e; provides mail=2, role:init; about first of all",
        "a 1.10: conflicts b<2; replaces old; group gui gtk, b; group docs tex",
        "b 2:1.0~rc1-3: about mit Umlaut: ä",
        "zlib 1.3: provides soname:libz.so.1",
    ]
    .map(package)
    .into();
    list[3].repository = 1;
    list[3].size = u64::MAX;
    list
}

fn bytes() -> Vec<u8> {
    build(&main(), entries()).unwrap()
}

/// The same bytes with a right checksum, so that only the checks behind it can find what is wrong.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&bytes[16..]).to_le_bytes();
    bytes[12..16].copy_from_slice(&sum);
    bytes
}

/// Reads everything there is to read of a table.
fn read_all(table: &Table) -> usize {
    let mut seen = 0;
    for symbol in 0..table.symbols() {
        seen += table.symbol(symbol).len() + table.named(symbol).len();
        seen += table.answering(symbol).count() + table.dependants(symbol).count();
        assert_eq!(table.find_symbol(table.symbol(symbol)), Some(symbol));
    }
    for repository in 0..table.repositories() {
        seen += table.repository_view(repository).0.len();
    }
    for number in 0..table.len() {
        let package = Package(number);
        seen +=
            table.symbol(table.name(package)).len() + table.symbol(table.version(package)).len();
        seen += table.arch(package).len() + table.description(package).len();
        seen += table.digest(package).len() + (table.sizes(package).0 % 7) as usize;
        let groups = table.groups(package).flat_map(|(_, _, needs)| needs);
        for need in table.needs(package).chain(groups) {
            assert!(table.alternatives(need).len() > 0);
            for term in table.alternatives(need).chain(table.condition(need)) {
                seen += table.matches(term).map(|p| usize::from(p.0 < table.len())).sum::<usize>();
                seen += table.symbol(table.term(term).0).len();
            }
        }
        seen += table.provides(package).map(|p| p.target.len()).sum::<usize>();
        seen += table.conflicts(package).chain(table.replaces(package)).count();
    }
    seen
}

#[test]
fn what_goes_in_comes_out() {
    let table = Table::parse(bytes()).unwrap();
    assert_eq!(table.len(), 4);
    let a = Package(1);
    assert_eq!(table.symbol(table.version(a)), "1.10", "versions of a name rise");
    let text = |need| {
        let terms: Vec<_> =
            table.alternatives(need).map(|t| table.symbol(table.term(t).0)).collect();
        terms.join("|")
    };
    let groups: Vec<_> = table
        .groups(a)
        .map(|(name, _, needs)| format!("{name}:{}", needs.map(text).collect::<Vec<_>>().join(",")))
        .collect();
    assert_eq!(groups, ["docs:tex", "gui:gtk,b"]);
    assert_eq!(table.needs(a).count(), 0, "needs of groups are not needs of the package");
    assert_eq!(table.needs(Package(0)).map(text).collect::<Vec<_>>(), ["b|c", "d"]);
    assert_eq!(table.description(Package(2)), "mit Umlaut: ä");
    assert_eq!(table.sizes(Package(3)).0, u64::MAX);
    assert_eq!(table.repository_view(table.repository(Package(3))), ("other", -5));
    let provides: Vec<_> =
        table.provides(Package(0)).map(|p| (p.target, p.version, p.exclusive)).collect();
    assert_eq!(provides, [("mail", Some("2"), false), ("role:init", None, true)]);
}

#[test]
fn order_of_entries_does_not_matter() {
    let mut reversed = entries();
    reversed.reverse();
    reversed.push(entries().remove(1));
    assert_eq!(build(&main(), reversed).unwrap(), bytes());
}

/// The bytes are a format: another encoding needs another magic. If this fails, change the magic or the code.
#[test]
fn bytes_stay_as_they_are() {
    assert_eq!(minos_model::Digest::of(&bytes()).to_string(), GOLDEN);
}
const GOLDEN: &str = "735cbeb1a8425f0ed1ebf0fd6c5359aaacf8731f920a64765d42ff83d3af0044";

#[test]
fn an_index_of_nothing_is_one() {
    let table = Table::parse(build(&[], Vec::new()).unwrap()).unwrap();
    assert!(table.is_empty());
    assert_eq!(table.find_symbol("a"), None);
    read_all(&table);
}

#[test]
fn entries_that_make_no_index_are_told_by_name() {
    let mut entry = package("a 1");
    entry.repository = 9;
    let error = build(&main(), vec![entry]).unwrap_err();
    assert_eq!(error, BuildError::NoRepository { package: "a".to_owned(), repository: 9 });
    let mut entry = package("a 1: needs b");
    entry.needs[0].any.clear();
    assert!(build(&main(), vec![entry]).unwrap_err().to_string().contains("'a' has a dependency"));
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = bytes();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(Table::parse(damaged).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn every_cut_is_found() {
    let bytes = bytes();
    for end in 0..bytes.len() {
        assert!(Table::parse(bytes[..end].to_vec()).is_err(), "{end}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(Table::parse(longer), Err(IndexError::Length { .. })));
}

/// A wrong word behind a right checksum is refused, or it is harmless: nothing panics, nothing reads outside.
#[test]
fn every_wrong_word_is_refused_or_harmless() {
    let bytes = bytes();
    let mut refused = 0;
    for at in (16..bytes.len() - 3).step_by(4) {
        for wrong in [0_u32, 1, 2, 7, 0xff, 0xffff_fffe, u32::MAX] {
            let mut damaged = bytes.clone();
            damaged[at..at + 4].copy_from_slice(&wrong.to_le_bytes());
            match Table::parse(resealed(damaged)) {
                Ok(table) => _ = read_all(&table),
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains("pkgctl repo sync"), "{error}");
                }
            }
        }
    }
    assert!(refused > 500, "only {refused} refused");
}

#[test]
fn a_section_table_that_leads_outside_is_refused() {
    let mut damaged = bytes();
    damaged[HEADER..HEADER + 4].copy_from_slice(&0xffff_fffc_u32.to_le_bytes());
    let error = Table::parse(resealed(damaged)).unwrap_err();
    assert_eq!(
        error,
        IndexError::Section { section: "table of sections", why: "the lengths do not add up" }
    );
}

#[test]
fn a_synthetic_universe_has_the_shape_it_says() {
    let entries = synth::universe(0.05, 7);
    let count = entries.len() as f64;
    let needs: usize =
        entries.iter().filter(|e| !e.name.starts_with("meta-")).map(|e| e.needs.len()).sum();
    let mean = needs as f64 / count;
    let wanted = synth::DEPENDENCIES as f64 / synth::PACKAGES as f64;
    assert!((mean - wanted).abs() < 0.5, "{mean} needs a package instead of {wanted}");
    let provides: usize = entries.iter().map(|e| e.provides.len()).sum();
    let wanted = synth::CAPABILITIES as f64 / synth::PACKAGES as f64;
    assert!((provides as f64 / count - wanted).abs() < 0.05);
    let one = [Repository { name: "main".to_owned(), priority: 0 }];
    let again = build(&one, synth::universe(0.05, 7)).unwrap();
    assert_eq!(build(&one, entries).unwrap(), again, "one seed, one universe");
    read_all(&Table::parse(again).unwrap());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut headed = minos_solve::index::MAGIC.to_vec();
        headed.extend_from_slice(&(bytes.len() as u32 + 8).to_le_bytes());
        headed.extend(bytes.iter().skip(4));
        if headed.len() >= 16 {
            let length = headed.len() as u32;
            headed[8..12].copy_from_slice(&length.to_le_bytes());
            headed = resealed(headed);
        }
        if let Ok(table) = Table::parse(headed) {
            read_all(&table);
        }
        _ = Table::parse(bytes);
    }

    #[test]
    fn several_wrong_bytes_do_no_harm(changes in prop::collection::vec((16_usize..2000, any::<u8>()), 1..6)) {
        let mut damaged = bytes();
        for (at, byte) in changes {
            let at = 16 + at % (damaged.len() - 16);
            damaged[at] = byte;
        }
        if let Ok(table) = Table::parse(resealed(damaged)) {
            read_all(&table);
        }
    }
}

/// The page of the format shows the bytes of the index of one small package.
#[test]
fn the_page_shows_these_bytes() {
    let one = [Repository { name: "main".to_owned(), priority: 10 }];
    let bytes = build(&one, vec![package("a 1: needs b>=2; provides role:x; about ex")]).unwrap();
    let lines = bytes.chunks(16).enumerate().map(|(line, chunk)| {
        let words: Vec<String> = chunk.chunks(4).map(hex).collect();
        format!("{:04x}  {}", line * 16, words.join(" "))
    });
    let dump = lines.collect::<Vec<_>>().join("\n");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/formats/index.md");
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains(&dump), "the page should show\n{dump}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
