//! The checks of a read index: after them no reference leads outside.

use super::table::{IndexError, Package, Table};
use super::words::{word, words};
use super::{GROUP_WORDS, PROVIDE_WORDS, Section, field};

type Checked = Result<(), IndexError>;

fn ensure(holds: bool, section: &'static str, why: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(IndexError::Section { section, why }) }
}

/// Checks every section of `table`.
pub fn all(table: &Table) -> Checked {
    symbols(table)?;
    packages(table)?;
    descriptions(table)?;
    needs(table)?;
    terms(table)?;
    provides(table)?;
    groups(table)
}

/// Words that never fall, the first 0, the last one `end`: the starts of lists that lie one behind the other.
fn starts(bytes: &[u8], end: usize, name: &'static str) -> Checked {
    let mut last = 0;
    let mut rising = true;
    for start in words(bytes) {
        rising &= start >= last;
        last = start;
    }
    ensure(bytes.len() >= 4 && word(bytes, 0) == 0, name, "does not start at 0")?;
    ensure(rising && last as usize == end, name, "starts do not rise to the end")
}

/// All words below `limit`.
fn below(bytes: &[u8], limit: u32, name: &'static str) -> Checked {
    let highest = words(bytes).max();
    ensure(highest.is_none_or(|word| word < limit), name, "refers to something that is not there")
}

/// Bytes without the up to three zeros that fill the section; `end` is where the last text ends.
fn text<'a>(bytes: &'a [u8], end: usize, name: &'static str) -> Result<&'a str, IndexError> {
    let (text, rest) = bytes.split_at_checked(end).unwrap_or((&[], bytes));
    ensure(
        rest.len() < 4 && rest.iter().all(|b| *b == 0),
        name,
        "does not end with its last text",
    )?;
    str::from_utf8(text).map_err(|_| IndexError::Section { section: name, why: "is not UTF-8" })
}

fn symbols(table: &Table) -> Checked {
    const NAME: &str = "symbols";
    let bytes = table.section(Section::SymbolStarts);
    ensure(table.symbols() > 0, NAME, "there is none")?;
    let end = word(bytes, table.symbols() as usize) as usize;
    let text = text(table.section(Section::SymbolText), end, NAME)?;
    starts(bytes, end, NAME)?;
    let on_boundary = words(bytes).all(|start| text.is_char_boundary(start as usize));
    ensure(on_boundary, NAME, "a start is inside a character")?;
    let repositories = table.section(Section::Repositories);
    ensure(repositories.len().is_multiple_of(8), "repositories", "half a record")?;
    let known = words(repositories).step_by(2).all(|symbol| symbol < table.symbols());
    ensure(known, "repositories", "a name is not there")?;
    sorted(table)
}

fn sorted(table: &Table) -> Checked {
    let mut last: Option<&str> = None;
    for symbol in 0..table.symbols() {
        let text = table.symbol(symbol);
        ensure(last.is_none_or(|last| last < text), "symbols", "not sorted")?;
        last = Some(text);
    }
    Ok(())
}

fn packages(table: &Table) -> Checked {
    const NAME: &str = "packages";
    let bytes = table.section(Section::Packages);
    let whole = !bytes.is_empty() && bytes.len().is_multiple_of(4 * field::WORDS);
    ensure(whole, NAME, "not a whole number of records")?;
    let digests = table.section(Section::Digests).len();
    ensure(digests == table.len() as usize * 32, "digests", "not one for each package")?;
    let mut last = 0;
    for number in 0..table.len() {
        let at = |i| table.field(Package(number), i);
        let texts = [field::NAME, field::VERSION, field::ARCH].map(at);
        ensure(texts.iter().all(|s| *s < table.symbols()), NAME, "a text is not there")?;
        ensure(at(field::NAME) >= last, NAME, "not sorted by name")?;
        last = at(field::NAME);
        ensure(at(field::REPOSITORY) < table.repositories(), NAME, "a repository is not there")?;
        lists(table, number)?;
    }
    ends(table)
}

/// The lists of one package: each starts where the one of the package before ended.
fn lists(table: &Table, number: u32) -> Checked {
    let rising = |a, b| a <= b;
    let (this, next) = (Package(number), Package(number + 1));
    for at in [field::DESCRIPTION, field::NEEDS, field::PROVIDES, field::GROUPS] {
        ensure(rising(table.field(this, at), table.field(next, at)), "packages", "lists overlap")?;
    }
    let ends = [
        table.field(this, field::CONFLICTS),
        table.field(this, field::REPLACES),
        table.field(next, field::CONFLICTS),
    ];
    ensure(ends.is_sorted(), "packages", "lists overlap")
}

/// The lists start at 0 and the last one ends at the end of its section.
fn ends(table: &Table) -> Checked {
    let (first, last) = (Package(0), Package(table.len()));
    let lengths = [
        (field::NEEDS, Section::NeedLists, 4),
        (field::PROVIDES, Section::Provides, 4 * PROVIDE_WORDS),
        (field::CONFLICTS, Section::TermLists, 4),
        (field::GROUPS, Section::Groups, 4 * GROUP_WORDS),
    ];
    for (at, section, size) in lengths {
        let bytes = table.section(section).len();
        let fits = table.field(last, at) as usize * size == bytes && table.field(first, at) == 0;
        ensure(fits, "packages", "a list does not cover its section")?;
    }
    let replaces = table.field(last, field::REPLACES) == table.field(last, field::CONFLICTS);
    ensure(replaces, "packages", "the last record has a list")
}

fn descriptions(table: &Table) -> Checked {
    const NAME: &str = "descriptions";
    let start = |number| table.field(Package(number), field::DESCRIPTION) as usize;
    let text = text(table.section(Section::Descriptions), start(table.len()), NAME)?;
    ensure(start(0) == 0, NAME, "does not start at 0")?;
    let on_boundary = (0..table.len()).all(|number| text.is_char_boundary(start(number)));
    ensure(on_boundary, NAME, "a start is inside a character")
}

fn needs(table: &Table) -> Checked {
    const NAME: &str = "dependencies";
    below(table.section(Section::NeedLists), table.needs_len(), NAME)?;
    let bytes = table.section(Section::NeedWords);
    let start_bytes = table.section(Section::NeedStarts);
    starts(start_bytes, bytes.len() / 4, NAME)?;
    let terms = table.terms();
    // A condition is a term + 1, so it may be `terms` itself; an alternative may not.
    ensure(words(bytes).all(|word| word <= terms), NAME, "a term is not there")?;
    let mut all_fit = true;
    for (start, end) in words(start_bytes).zip(words(start_bytes).skip(1)) {
        all_fit &= end >= start + 2 && (start + 1..end).all(|at| word(bytes, at as usize) < terms);
    }
    ensure(all_fit, NAME, "an alternative is missing")
}

fn terms(table: &Table) -> Checked {
    const NAME: &str = "terms";
    let bytes = table.section(Section::Terms);
    ensure(bytes.len().is_multiple_of(8), NAME, "half a record")?;
    below(bytes, table.symbols(), NAME)?;
    let match_starts = table.section(Section::MatchStarts);
    ensure(
        match_starts.len() == (table.terms() as usize + 1) * 4,
        "matches",
        "not one list a term",
    )?;
    starts(match_starts, table.section(Section::Matches).len() / 4, "matches")?;
    below(table.section(Section::Matches), table.len(), "matches")?;
    below(table.section(Section::TermLists), table.terms(), "conflicts")
}

fn provides(table: &Table) -> Checked {
    let bytes = table.section(Section::Provides);
    let records = bytes.as_chunks::<{ 4 * PROVIDE_WORDS }>().0;
    let fine = records.iter().all(|record| {
        let symbols = table.symbols();
        word(record, 0) < symbols && word(record, 1) <= symbols && word(record, 2) <= 1
    });
    ensure(fine, "capabilities", "refers to something that is not there")
}

/// The needs of a package's groups stand behind its own, one group behind the other.
fn groups(table: &Table) -> Checked {
    const NAME: &str = "groups";
    let bytes = table.section(Section::Groups);
    for number in 0..table.len() {
        let (this, next) = (Package(number), Package(number + 1));
        let mut at = table.field(this, field::NEEDS);
        let range = table.field(this, field::GROUPS)..table.field(next, field::GROUPS);
        let last = range.end;
        for group in range {
            let get = |i| word(bytes, group as usize * GROUP_WORDS + i);
            ensure(get(0).max(get(1)) < table.symbols(), NAME, "a text is not there")?;
            ensure(at <= get(2) && get(2) <= get(3), NAME, "needs are out of order")?;
            at = get(3);
            let end = table.field(next, field::NEEDS);
            ensure(at <= end && (group + 1 < last || at == end), NAME, "needs of another package")?;
        }
    }
    Ok(())
}
