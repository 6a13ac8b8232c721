//! Packages from a text as Debian's `Packages` files are written: for measurements on a real universe, and for who
//! has one.
//!
//! | there | here |
//! | --- | --- |
//! | `Depends`, `Pre-Depends`, with `a \| b` | needs |
//! | `Provides`, with or without version | shared capabilities |
//! | `Conflicts`, `Breaks` | conflicts |
//! | `Replaces` of what is also in `Conflicts` and `Provides`, all without version | replaces |
//! | any other `Replaces` | nothing: there it says whose files may be overwritten |
//! | revisions: `2.3-4`, `2.3-4+b1` | releases `2.3-1`, `2.3-2`: numbered in their order, for each upstream version |
//!
//! A revision there is a text and a release here is a number, so a text is read twice: first to see which revisions of
//! an upstream version occur, in versions and in bounds, then to number them. The numbers mean something within one
//! import only. The architecture qualifiers `:any`, `:native` and that of the package itself are dropped; a package of another
//! architecture (`libc6:i386`) keeps its qualifier and so is met by nothing here.

use std::collections::{BTreeMap, BTreeSet};

use minos_model::{Constraint, Upstream, Version};

use crate::index::{Entry, Need, Provide, Term};

/// What was read, and what could not be.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// The packages.
    pub entries: Vec<Entry>,
    /// Names of packages that were left out, and why.
    pub skipped: Vec<(String, String)>,
}

/// The revisions of each upstream version with its epoch. `None` is a version without revision, before all others.
#[derive(Default)]
struct Revisions {
    seen: BTreeMap<String, BTreeSet<Option<Upstream>>>,
    complete: bool,
}

impl Revisions {
    /// A version as there. While revisions are still collected, its release is 1.
    fn version(&mut self, text: &str) -> Result<Version, String> {
        let wrong = || format!("'{text}' is no version");
        let (upstream, revision) = match text.rsplit_once('-') {
            // A revision may start with `.` or `~`, ours may not; one letter before all of them orders nothing anew.
            Some((upstream, revision)) => {
                (upstream, Some(format!("r{revision}").parse().map_err(|_| wrong())?))
            }
            None => (text, None),
        };
        let upstream = upstream.replace('-', "_");
        let mut release = 1;
        if self.complete {
            let all = self.seen.get(&upstream).ok_or_else(wrong)?;
            release += all.iter().take_while(|known| **known < revision).count();
        } else {
            self.seen.entry(upstream.clone()).or_default().insert(revision);
        }
        format!("{upstream}-{release}").parse().map_err(|_| wrong())
    }
}

/// The fields of one paragraph.
#[derive(Default)]
struct Paragraph<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Paragraph<'a> {
    fn get(&self, field: &str) -> &'a str {
        self.0.iter().find(|(name, _)| *name == field).map_or("", |(_, value)| value)
    }
}

/// Reads a whole file; all its packages are of the repository with this number.
///
/// Never fails: a paragraph that cannot be understood is in [`Import::skipped`].
pub fn packages(text: &str, repository: u32) -> Import {
    let mut revisions = Revisions::default();
    read(text, repository, &mut revisions);
    revisions.complete = true;
    read(text, repository, &mut revisions)
}

fn read(text: &str, repository: u32, revisions: &mut Revisions) -> Import {
    let mut import = Import::default();
    let mut paragraph = Paragraph::default();
    for line in text.lines().chain([""]) {
        if !line.trim().is_empty() {
            // Lines that go on with the field before start with a space; no field that is used here has any.
            if let Some((name, value)) =
                line.split_once(':').filter(|_| !line.starts_with([' ', '\t']))
            {
                paragraph.0.push((name, value.trim()));
            }
            continue;
        }
        if !paragraph.0.is_empty() {
            match entry(&paragraph, repository, revisions) {
                Ok(entry) => import.entries.push(entry),
                Err(why) => import.skipped.push((paragraph.get("Package").to_owned(), why)),
            }
            paragraph.0.clear();
        }
    }
    import
}

fn entry(
    paragraph: &Paragraph<'_>,
    repository: u32,
    revisions: &mut Revisions,
) -> Result<Entry, String> {
    let name = paragraph.get("Package");
    if name.is_empty() {
        return Err("it has no field Package".to_owned());
    }
    let mut entry = Entry::new(name, revisions.version(paragraph.get("Version"))?);
    entry.repository = repository;
    let arch = paragraph.get("Architecture");
    entry.arch = match arch {
        "all" | "" => "noarch".to_owned(),
        "amd64" => "x86_64".to_owned(),
        other => other.to_owned(),
    };
    entry.description = paragraph.get("Description").to_owned();
    entry.size = paragraph.get("Size").parse().unwrap_or_default();
    entry.installed_size =
        1024 * paragraph.get("Installed-Size").parse::<u64>().unwrap_or_default().min(1 << 40);
    entry.digest = digest(paragraph.get("SHA256")).unwrap_or_default();
    for field in ["Pre-Depends", "Depends"] {
        for item in items(paragraph.get(field)) {
            let any = item
                .split('|')
                .map(|text| term(text, arch, revisions))
                .collect::<Result<Vec<_>, _>>()?;
            entry.needs.push(Need { any, when: None });
        }
    }
    for item in items(paragraph.get("Provides")) {
        entry.provides.push(provide(item, revisions)?);
    }
    for field in ["Conflicts", "Breaks"] {
        for item in items(paragraph.get(field)) {
            entry.conflicts.push(term(item, arch, revisions)?);
        }
    }
    for item in items(paragraph.get("Replaces")) {
        let old = term(item, arch, revisions)?;
        let provides = entry.provides.iter().any(|p| p.target == old.target);
        if provides && entry.conflicts.contains(&old) && old.target != name {
            entry.replaces.push(old);
        }
    }
    Ok(entry)
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// `name`, `name:any`, `name (>= 1.2)`, in a package of this architecture.
fn term(text: &str, arch: &str, revisions: &mut Revisions) -> Result<Term, String> {
    let (name, rest) = text.trim().split_once('(').unwrap_or((text.trim(), ""));
    let name = name.trim();
    let own = |qualifier: &str| qualifier == "any" || qualifier == "native" || qualifier == arch;
    let unqualified = name.split_once(':').filter(|(_, qualifier)| own(qualifier));
    let target = unqualified.map_or(name, |(name, _)| name).to_owned();
    let rest = rest.trim_end_matches(')').trim();
    if rest.is_empty() {
        return Ok(Term { target, constraint: Constraint::ANY });
    }
    let end = rest.find(|c| !"<>=".contains(c)).unwrap_or(rest.len());
    let (operator, bound) = rest.split_at(end);
    let operator = match operator {
        "<<" => "<",
        ">>" => ">",
        // `<` and `>` of old mean "or equal".
        "<" | "<=" => "<=",
        ">" | ">=" => ">=",
        "=" => "=",
        other => return Err(format!("'{other}' is no comparison")),
    };
    let bound = revisions.version(bound.trim())?.with_release();
    let constraint = format!("{operator}{bound}").parse();
    let constraint: Constraint = constraint.map_err(|_| format!("'{rest}' is no constraint"))?;
    Ok(Term { target, constraint })
}

fn provide(text: &str, revisions: &mut Revisions) -> Result<Provide, String> {
    let (name, rest) = text.split_once('(').unwrap_or((text, ""));
    let bound = rest.trim_end_matches(')').trim().trim_start_matches('=').trim();
    let version = if bound.is_empty() { None } else { Some(revisions.version(bound)?) };
    Ok(Provide { target: name.trim().to_owned(), version, exclusive: false })
}

fn digest(text: &str) -> Option<[u8; 32]> {
    text.parse::<minos_model::Digest>().ok().map(|digest| *digest.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::packages;

    const TEXT: &str = "Package: a\nVersion: 1:2.3-4+b1\nArchitecture: amd64\nInstalled-Size: 10\nSize: 5\n\
        Depends: b (>= 1.0) | c:any, libd (<< 2-1~)\nPre-Depends: e\nProvides: mail, f (= 2)\n\
        Conflicts: mail, old\nBreaks: g (<= 3), x:i386, y:amd64\nReplaces: old, h (<< 1)\nDescription: one line\n more\n\n\
        Package: bad\nVersion: ?\n\nVersion: 1\n";

    #[test]
    fn fields_become_what_they_mean() {
        let import = packages(TEXT, 7);
        let [a] = &import.entries[..] else { panic!("{import:?}") };
        assert_eq!((a.name.as_str(), a.version.to_string().as_str()), ("a", "1:2.3"));
        assert_eq!((a.arch.as_str(), a.repository, a.installed_size), ("x86_64", 7, 10240));
        let need = |index: usize| {
            let terms = a.needs[index].any.iter();
            terms.map(|t| format!("{}{}", t.target, t.constraint)).collect::<Vec<_>>().join("|")
        };
        assert_eq!([need(0), need(1), need(2)], ["e", "b>=1.0-1|c", "libd<2-2"]);
        let conflicts: Vec<_> = a.conflicts.iter().map(|t| t.target.as_str()).collect();
        assert_eq!(conflicts, ["mail", "old", "g", "x:i386", "y"]);
        assert!(a.replaces.is_empty(), "it does not provide 'old'");
        assert_eq!(a.provides[1].version.as_ref().map(ToString::to_string).as_deref(), Some("2"));
        assert_eq!(a.description, "one line");
    }

    #[test]
    fn a_renamed_package_replaces_the_old_one() {
        let text = "Package: new\nVersion: 1\nProvides: old\nConflicts: old\nReplaces: old\n";
        assert_eq!(packages(text, 0).entries[0].replaces[0].target, "old");
    }

    #[test]
    fn what_cannot_be_read_is_told_by_name() {
        let skipped = packages(TEXT, 0).skipped;
        assert_eq!(skipped.len(), 2);
        assert_eq!(skipped[0], ("bad".to_owned(), "'?' is no version".to_owned()));
        assert!(skipped[1].1.contains("no field Package"));
    }

    /// Each of these is `yes` or `no` to dpkg. `2.9.0-1` is before `2.9.0A` there, because upstream versions are
    /// compared first; with the revision as a part of the upstream version it would come after, and 1,407 packages of
    /// Debian 12 could not be installed.
    #[test]
    fn revisions_order_as_there() {
        let cases = [
            ("2.9.0-1", "<< 2.9.0A", true),
            ("2.6.2.2-1.1", "<< 2.6.2.2+~", true),
            ("1.0-9", "<< 1.0-10", true),
            ("1.0-1", "<< 1.0-1+b1", true),
            ("1.0-1~bpo1", "<< 1.0-1", true),
            ("1.0-1", ">> 1.0", true),
            ("1.0-1", "<= 1.0", false),
            ("1.0-1", "= 1.0", false),
            ("1.0-1", "= 1.0-1", true),
            ("1.0", "= 1.0", true),
            ("1:0.1-1", ">> 9-1", true),
            ("1.0~rc1-5", "<< 1.0-1", true),
            ("1-2-3", ">= 1-2-2", true),
            ("1:2.39.5-0+deb12u2", "<< 1:2.39.5-.", true),
            ("8.4.4-1", ">> 8.4.4-~", true),
        ];
        for (version, bound, wanted) in cases {
            let text = format!(
                "Package: a\nVersion: {version}\n\nPackage: b\nVersion: 1\nDepends: a ({bound})\n"
            );
            let import = packages(&text, 0);
            let constraint = &import.entries[1].needs[0].any[0].constraint;
            assert_eq!(constraint.matches(&import.entries[0].version), wanted, "{version} {bound}");
        }
    }
}
