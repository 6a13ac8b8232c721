//! Small universes written as text, for the tests of this crate.
#![allow(dead_code)] // Each test file uses its own part.

use std::collections::BTreeMap;
use std::sync::Arc;

use minos_model::{Capability, CapabilityKind, Constraint};
use minos_solve::index::{Entry, Group, Need, Provide, Repository, Table, Term, build};
use minos_solve::{Ask, Pin, Request, System, Universe, Want};

/// A universe, a system and a request.
#[derive(Clone, Default)]
pub struct Scene {
    /// The lines it was made of.
    pub lines: Vec<String>,
    pub repositories: Vec<(String, i32)>,
    pub packages: Vec<Entry>,
    /// Packages that no repository has any more.
    pub gone: Vec<Entry>,
    pub installed: Vec<(String, String)>,
    pub system: System,
    pub request: Request,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\n")?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Scene {
    /// Reads one line; panics with the line if it says nothing.
    pub fn line(&mut self, line: &str) -> bool {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        self.lines.push(line.to_owned());
        match word {
            "repo" => {
                let (name, priority) = rest.split_once(' ').expect(line);
                self.repositories.push((name.to_owned(), priority.parse().expect(line)));
            }
            "pkg" => {
                let repository = self.repositories.len().saturating_sub(1) as u32;
                self.packages.push(Entry { repository, ..package(rest) });
            }
            "gone" => {
                let entry = package(rest);
                self.installed.push((entry.name.clone(), entry.version.to_string()));
                self.gone.push(entry);
            }
            "have" | "want" => {
                for item in rest.split(", ") {
                    let (name, version) = item.split_once(' ').expect(line);
                    self.installed.push((name.to_owned(), version.to_owned()));
                    if word == "want" {
                        self.system.asked.push(Want::any(name));
                    }
                }
            }
            "asked" => self.system.asked.push(rest.parse().expect(line)),
            "hold" => self.system.holds.push(rest.to_owned()),
            "pin" => self.system.pins.push(rest.parse::<Pin>().expect(line)),
            "install" => self.ask(rest, |w| Ask::Install(w.parse().expect("a want"))),
            "downgrade" => self.ask(rest, |w| Ask::Downgrade(w.parse().expect("a want"))),
            "remove" => self.ask(rest, |w| Ask::Remove(w.to_owned())),
            "update" => self.ask(rest, |w| Ask::Update(w.to_owned())),
            "upgrade" => self.request.asks.push(Ask::Upgrade),
            "autoremove" => self.request.asks.push(Ask::Autoremove),
            _ => return false,
        }
        true
    }

    fn ask(&mut self, items: &str, make: impl Fn(&str) -> Ask) {
        self.request.asks.extend(items.split(' ').map(make));
    }

    /// The index of the repositories and the universe.
    pub fn universe(&self) -> Universe {
        let mut repositories: Vec<Repository> = self
            .repositories
            .iter()
            .map(|(name, priority)| Repository { name: name.clone(), priority: *priority })
            .collect();
        if repositories.is_empty() {
            repositories.push(Repository { name: "main".to_owned(), priority: 0 });
        }
        let base = table(&repositories, self.packages.clone());
        let mut installed = Vec::new();
        for (name, version) in &self.installed {
            let is = |e: &&Entry| e.name == *name && e.version.to_string() == *version;
            let found = self.gone.iter().find(is).or_else(|| self.packages.iter().find(is));
            let found = found.unwrap_or_else(|| panic!("{name} {version} is nowhere"));
            installed.push(Entry { repository: 0, ..found.clone() });
        }
        let here = [Repository { name: "installed".to_owned(), priority: 0 }];
        Universe::new(Arc::new(base), table(&here, installed))
    }
}

/// The index of these entries, through its bytes.
pub fn table(repositories: &[Repository], entries: Vec<Entry>) -> Table {
    Table::parse(build(repositories, entries).expect("an index")).expect("it reads its own")
}

/// `a 1.0: needs b>=1 | c; needs d if e; provides mail=2, role:init; conflicts x<2; replaces y; group g: f`.
pub fn package(text: &str) -> Entry {
    let (head, clauses) = text.split_once(": ").unwrap_or((text, ""));
    let (name, version) = head.split_once(' ').expect(text);
    let mut entry = Entry::new(name, version.parse().expect(text));
    // The digest tells builds of one version apart; here there is one build of each text.
    entry.digest[..8].copy_from_slice(&(head.len() as u64).to_le_bytes());
    let mut groups: BTreeMap<String, Vec<Need>> = BTreeMap::new();
    for clause in clauses.split("; ").filter(|clause| !clause.is_empty()) {
        let (word, rest) = clause.split_once(' ').expect(text);
        match word {
            "needs" => entry.needs.extend(rest.split(", ").map(need)),
            "provides" => entry.provides.extend(rest.split(", ").map(provide)),
            "conflicts" => entry.conflicts.extend(rest.split(", ").map(term)),
            "replaces" => entry.replaces.extend(rest.split(", ").map(term)),
            "about" => entry.description = rest.to_owned(),
            "group" => {
                let (name, needs) = rest.split_once(' ').expect(text);
                groups.entry(name.to_owned()).or_default().extend(needs.split(", ").map(need));
            }
            other => panic!("'{other}' in '{text}'"),
        }
    }
    let group =
        |(name, needs): (String, Vec<Need>)| Group { name, reason: "more".to_owned(), needs };
    entry.groups = groups.into_iter().map(group).collect();
    entry
}

/// `a>=1 | b if c`.
pub fn need(text: &str) -> Need {
    let (any, when) = text.split_once(" if ").map_or((text, None), |(a, w)| (a, Some(term(w))));
    Need { any: any.split(" | ").map(term).collect(), when }
}

/// `a>=1`.
pub fn term(text: &str) -> Term {
    let want: Want = text.parse().unwrap_or_else(|e| panic!("{e}"));
    want.term
}

/// `mail`, `mail=2`, `role:init`.
pub fn provide(text: &str) -> Provide {
    let full = if text.contains(':') { text.to_owned() } else { format!("cap:{text}") };
    let capability: Capability = full.parse().unwrap_or_else(|e| panic!("{e}"));
    let id = &capability.id;
    let target =
        if id.kind() == CapabilityKind::Cap { id.name().to_owned() } else { id.to_string() };
    Provide { target, version: capability.version.clone(), exclusive: id.kind().is_exclusive() }
}

/// Any version.
pub fn any() -> Constraint {
    Constraint::ANY
}
