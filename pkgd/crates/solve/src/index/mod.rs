//! The package index: every package of the repositories in one flat file that is used as it is read.
//!
//! Byte by byte in `docs/formats/index.md`. The file is made once, when a repository is synchronised
//! ([`build`]), and read at every start ([`Table::parse`]). So the work goes into the making: texts are
//! interned and sorted, and every requirement already lists the packages that meet it. Reading checks that
//! all references stay inside and then copies nothing.

mod build;
mod check;
mod entry;
mod lists;
mod table;
mod text;
mod words;

pub use build::{BuildError, Repository, build};
pub use entry::{Entry, Group, Need, Provide, Term};
pub use table::{IndexError, NeedId, Package, ProvideView, Table, TermId};

/// First bytes of an index file.
pub const MAGIC: [u8; 8] = *b"MINOSIX1";

/// Bytes before the table of sections: magic, length, checksum, number of sections.
pub const HEADER: usize = 20;

/// The sections of an index file, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Section {
    Repositories,
    SymbolStarts,
    SymbolText,
    Packages,
    Digests,
    Descriptions,
    NeedLists,
    NeedStarts,
    NeedWords,
    Terms,
    MatchStarts,
    Matches,
    Provides,
    TermLists,
    Groups,
}

/// How many sections there are.
pub(crate) const SECTIONS: usize = Section::Groups as usize + 1;

/// The fields of a package record, in words.
pub(crate) mod field {
    pub const NAME: usize = 0;
    pub const VERSION: usize = 1;
    pub const ARCH: usize = 2;
    pub const REPOSITORY: usize = 3;
    pub const DESCRIPTION: usize = 4;
    pub const NEEDS: usize = 5;
    pub const PROVIDES: usize = 6;
    pub const CONFLICTS: usize = 7;
    pub const REPLACES: usize = 8;
    pub const GROUPS: usize = 9;
    pub const SIZE: usize = 10;
    pub const INSTALLED_SIZE: usize = 12;
    /// Words of one record.
    pub const WORDS: usize = 14;
}

/// Words of one provide: symbol, version + 1 or 0, 1 if exclusive.
pub(crate) const PROVIDE_WORDS: usize = 3;
/// Words of one group: name, reason, first and end of its needs.
pub(crate) const GROUP_WORDS: usize = 4;
