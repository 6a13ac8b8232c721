//! A database made anew from what the store itself holds: records of generations and manifests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::error::StoreError;
use crate::generations::{
    self, GENERATIONS_DIR, GenerationRow, Member, Own, Record, current_link, record_path,
};
use crate::objects;
use crate::packages::{Change, Delta, PackageRow, Tree, read_manifest};
use crate::snapshot::Source as _;
use crate::table::{GENERATION_OWN, GENERATIONS, META, number};
use crate::transaction::{System, SystemError, put_package};
use crate::write::Write;

/// What [`System::rebuild`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Generations whose rows were made anew, oldest first.
    pub generations: Vec<u64>,
    /// Records that could not be used, and why.
    pub unusable: Vec<(String, String)>,
    /// Packages.
    pub packages: usize,
    /// The current generation; 0 for none.
    pub current: u64,
}

type Packages = BTreeMap<u32, (PackageRow, Arc<Tree>)>;

impl System<'_> {
    /// Makes the rows of generations that have none anew, and those of their packages: all of them in a database that is
    /// new, the later ones in one that was set back. History, holds, pins and proofs are not in the records and are
    /// lost. A current generation stays the current one. Where every generation has its row nothing is done.
    ///
    /// # Errors
    /// A package of such a generation has a number that another one was given; the database cannot be written.
    pub fn rebuild(&self) -> Result<Rebuilt, SystemError> {
        let rows = self.store.read()?.generations()?;
        let mut report = Rebuilt::default();
        let (mut packages, mut records) = (Packages::new(), BTreeMap::new());
        let known = |name: &str| rows.iter().any(|row| row.number.to_string() == name);
        for name in self.records()?.into_iter().filter(|name| !known(name)) {
            match self.read_record(&name, &mut packages) {
                Ok(record) => drop(records.insert(record.number, record)),
                Err(why) => report.unusable.push((name, why)),
            }
        }
        if !rows.is_empty() {
            return self.adopt(&records, &packages, report);
        }
        let current = current_link(self.fs)?.filter(|n| records.contains_key(n));
        report.current = current.or(records.keys().last().copied()).unwrap_or(0);
        report.generations = records.keys().copied().collect();
        report.packages = packages.len();
        let delta = self.paths_anew(records.get(&report.current), &packages)?;
        self.store.write(|w| {
            w.make_durable();
            write(w, &records, &packages)?;
            w.put(META, generations::CURRENT_KEY, &report.current)?;
            w.put(META, generations::PATHS_OF, &report.current)?;
            delta.write(w)
        })?;
        Ok(report)
    }

    /// Names of the records of generations.
    fn records(&self) -> Result<Vec<String>, SystemError> {
        let folder = Path::new(GENERATIONS_DIR);
        let names = self.fs.list(folder).map_err(|e| SystemError::io("list", folder, e))?;
        Ok(names.into_iter().map(|(name, _)| String::from_utf8_lossy(&name).into_owned()).collect())
    }

    /// Generations that the database knows nothing of, though it has others: it is an older one.
    ///
    /// # Errors
    /// The records or the database cannot be read.
    pub fn forgotten(&self) -> Result<Vec<u64>, SystemError> {
        let read = self.store.read()?;
        // A change that was cut off has a record and no row yet: it will be taken back.
        if read.intent()?.is_some() {
            return Ok(Vec::new());
        }
        let rows = read.generations()?;
        let numbers = self.records()?.into_iter().filter_map(|name| name.parse().ok());
        Ok(numbers.filter(|n| !rows.iter().any(|row| row.number == *n)).collect())
    }

    /// The rows of generations that were made after those of the database.
    fn adopt(
        &self,
        records: &BTreeMap<u64, Record>,
        packages: &Packages,
        mut report: Rebuilt,
    ) -> Result<Rebuilt, SystemError> {
        let read = self.store.read()?;
        for (number, (row, _)) in packages {
            if read.package(*number)?.is_some_and(|there| there.digest != row.digest) {
                let what = format!("package number {number} is {}, and another one", row.name);
                return Err(SystemError::Damaged { what });
            }
        }
        report.current = read.current_generation()?.unwrap_or(0);
        report.generations = records.keys().copied().collect();
        report.packages = packages.len();
        drop(read);
        self.store.write(|w| {
            w.make_durable();
            write(w, records, packages)
        })?;
        Ok(report)
    }

    /// Reads a record and the manifests it names.
    fn read_record(&self, name: &str, packages: &mut Packages) -> Result<Record, String> {
        let number: u64 = name.parse().map_err(|_| "its name is no number".to_owned())?;
        let bytes =
            objects::read(self.fs, &record_path(number)).map_err(|e| format!("unreadable: {e}"))?;
        let record = Record::decode(&bytes)?;
        if record.number != number {
            return Err(format!("it is the record of generation {}", record.number));
        }
        for member in &record.members {
            if packages.get(&member.package).is_some_and(|(row, _)| row.digest == member.manifest) {
                continue;
            }
            let manifest = read_manifest(self.fs, &member.manifest).map_err(|e| e.to_string())?;
            let tree = Tree::new(manifest, member.accounts.clone())?;
            let row = PackageRow::new(member.package, member.manifest, &tree, member.added_ms);
            packages.insert(member.package, (row, Arc::new(tree)));
        }
        Ok(record)
    }

    fn paths_anew(
        &self,
        current: Option<&Record>,
        packages: &Packages,
    ) -> Result<Delta, SystemError> {
        let members = current.into_iter().flat_map(|record| &record.members);
        let trees = members.filter_map(|member| Some(&packages.get(&member.package)?.1));
        let changes: Vec<Change> =
            trees.map(|tree| Change { old: None, new: Some(Arc::clone(tree)) }).collect();
        Ok(Delta::new(&self.store.read()?, changes.iter())?)
    }
}

fn write(
    w: &mut Write<'_>,
    records: &BTreeMap<u64, Record>,
    packages: &Packages,
) -> Result<(), StoreError> {
    for (row, tree) in packages.values() {
        put_package(w, row, Some(tree))?;
    }
    for record in records.values() {
        let member =
            |m: &generations::RecordMember| Member { package: m.package, reason: m.reason };
        let row = GenerationRow {
            number: record.number,
            parent: record.parent,
            created_ms: record.created_ms,
            note: record.note.clone(),
            members: record.members.iter().map(member).collect(),
            asked: record.asked.clone(),
        };
        w.put(GENERATIONS, &number(row.number), &row)?;
        w.put(GENERATION_OWN, &number(row.number), &Own::from_row(record.own.clone()).to_row())?;
    }
    let last = records.keys().last().copied().unwrap_or(0);
    let before: u64 = w.get(META, generations::LAST_GENERATION)?.unwrap_or(0);
    w.put(META, generations::LAST_GENERATION, &last.max(before))
}
