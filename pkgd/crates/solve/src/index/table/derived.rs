//! What is derived from the sections, when it is first asked for.

use super::super::lists::Lists;
use super::super::words::{slice, word, words};
use super::super::{PROVIDE_WORDS, Section, field};
use super::{NeedId, Package, Table, TermId};

impl Table {
    /// The packages that answer to `symbol`, by name or by what they provide, and in which version.
    pub fn answering(&self, symbol: u32) -> impl Iterator<Item = (Package, Option<&str>)> + '_ {
        let named =
            self.named(symbol).map(|n| (Package(n), Some(self.symbol(self.version(Package(n))))));
        let providers = self.providers().of(symbol).map(Package);
        let provided = providers.flat_map(move |package| {
            let provides = self.provides(package).filter(move |p| p.symbol == symbol);
            provides.map(move |p| (package, p.version))
        });
        named.chain(provided)
    }

    fn providers(&self) -> &Lists {
        self.providers.get_or_init(|| {
            let pairs = |each: &mut dyn FnMut(u32, u32)| {
                let records =
                    self.section(Section::Provides).as_chunks::<{ 4 * PROVIDE_WORDS }>().0;
                for package in 0..self.packages {
                    let (start, end) = self.list(Package(package), field::PROVIDES);
                    let own = records.get(start as usize..end as usize).unwrap_or_default();
                    own.iter().for_each(|record| each(word(record, 0), package));
                }
            };
            Lists::new(self.symbols(), pairs)
        })
    }

    /// The packages with a need, also one of a group, that names `symbol`.
    pub fn dependants(&self, symbol: u32) -> impl Iterator<Item = Package> + '_ {
        self.dependants.get_or_init(|| self.make_dependants()).of(symbol).map(Package)
    }

    fn make_dependants(&self) -> Lists {
        let needs = self.section(Section::NeedLists);
        Lists::new(self.symbols(), |each| {
            for package in 0..self.packages {
                let (start, end) = self.list(Package(package), field::NEEDS);
                for need in words(slice(needs, start, end)) {
                    for term in self.alternatives(NeedId(need)) {
                        each(self.term(term).0, package);
                    }
                }
            }
        })
    }

    /// The conditions of all needs, none twice.
    pub fn all_conditions(&self) -> &[TermId] {
        self.conditions.get_or_init(|| {
            let conditions = (0..self.needs_len()).filter_map(|need| self.condition(NeedId(need)));
            let mut found: Vec<_> = conditions.collect();
            found.sort_unstable();
            found.dedup();
            found
        })
    }

    /// The packages that replace something.
    pub fn replacing(&self) -> &[Package] {
        let start = |package| self.field(Package(package), field::REPLACES);
        let end = |package| self.field(Package(package + 1), field::CONFLICTS);
        let replaces = |package: &u32| start(*package) < end(*package);
        self.replacing.get_or_init(|| (0..self.packages).filter(replaces).map(Package).collect())
    }
}
