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
//! | `1:2.3-4+b1` | `1:2.3_4+b1`: a revision there is not a number, so it is part of the upstream version here |
//!
//! Architecture qualifiers (`python3:any`) are dropped.

use minos_model::{Constraint, Version};

use crate::index::{Entry, Need, Provide, Term};

/// What was read, and what could not be.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// The packages.
    pub entries: Vec<Entry>,
    /// Names of packages that were left out, and why.
    pub skipped: Vec<(String, String)>,
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
            match entry(&paragraph, repository) {
                Ok(entry) => import.entries.push(entry),
                Err(why) => import.skipped.push((paragraph.get("Package").to_owned(), why)),
            }
            paragraph.0.clear();
        }
    }
    import
}

fn entry(paragraph: &Paragraph<'_>, repository: u32) -> Result<Entry, String> {
    let name = paragraph.get("Package");
    if name.is_empty() {
        return Err("it has no field Package".to_owned());
    }
    let mut entry = Entry::new(name, version(paragraph.get("Version"))?);
    entry.repository = repository;
    entry.arch = match paragraph.get("Architecture") {
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
            let any = item.split('|').map(term).collect::<Result<Vec<_>, _>>()?;
            entry.needs.push(Need { any, when: None });
        }
    }
    for item in items(paragraph.get("Provides")) {
        entry.provides.push(provide(item)?);
    }
    for field in ["Conflicts", "Breaks"] {
        for item in items(paragraph.get(field)) {
            entry.conflicts.push(term(item)?);
        }
    }
    for item in items(paragraph.get("Replaces")) {
        let old = term(item)?;
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

/// `name`, `name:any`, `name (>= 1.2)`.
fn term(text: &str) -> Result<Term, String> {
    let (name, rest) = text.trim().split_once('(').unwrap_or((text.trim(), ""));
    let name = name.trim();
    let target = name.split_once(':').map_or(name, |(name, _)| name).to_owned();
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
    let bound = version(bound.trim())?;
    let constraint = format!("{operator}{bound}").parse();
    let constraint: Constraint = constraint.map_err(|_| format!("'{rest}' is no constraint"))?;
    Ok(Term { target, constraint })
}

fn provide(text: &str) -> Result<Provide, String> {
    let (name, rest) = text.split_once('(').unwrap_or((text, ""));
    let bound = rest.trim_end_matches(')').trim().trim_start_matches('=').trim();
    let version = if bound.is_empty() { None } else { Some(version(bound)?) };
    Ok(Provide { target: name.trim().to_owned(), version, exclusive: false })
}

fn version(text: &str) -> Result<Version, String> {
    text.replace('-', "_").parse().map_err(|_| format!("'{text}' is no version"))
}

fn digest(text: &str) -> Option<[u8; 32]> {
    text.parse::<minos_model::Digest>().ok().map(|digest| *digest.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::packages;

    const TEXT: &str = "Package: a\nVersion: 1:2.3-4+b1\nArchitecture: amd64\nInstalled-Size: 10\nSize: 5\n\
        Depends: b (>= 1.0) | c:any, libd (<< 2-1~)\nPre-Depends: e\nProvides: mail, f (= 2)\n\
        Conflicts: mail, old\nBreaks: g (<= 3)\nReplaces: old, h (<< 1)\nDescription: one line\n more\n\n\
        Package: bad\nVersion: ?\n\nVersion: 1\n";

    #[test]
    fn fields_become_what_they_mean() {
        let import = packages(TEXT, 7);
        let [a] = &import.entries[..] else { panic!("{import:?}") };
        assert_eq!((a.name.as_str(), a.version.to_string().as_str()), ("a", "1:2.3_4+b1"));
        assert_eq!((a.arch.as_str(), a.repository, a.installed_size), ("x86_64", 7, 10240));
        let need = |index: usize| {
            let terms = a.needs[index].any.iter();
            terms.map(|t| format!("{}{}", t.target, t.constraint)).collect::<Vec<_>>().join("|")
        };
        assert_eq!([need(0), need(1), need(2)], ["e", "b>=1.0|c", "libd<2_1~"]);
        let conflicts: Vec<_> = a.conflicts.iter().map(|t| t.target.as_str()).collect();
        assert_eq!(conflicts, ["mail", "old", "g"]);
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

    #[test]
    fn a_revision_orders_as_there() {
        let version = |text| super::version(text).unwrap();
        for (a, b) in
            [("2.36-8", "2.36-9"), ("2.36", "2.36-1"), ("2.36-9", "2.36.1-1"), ("1~rc-1", "1-1")]
        {
            assert!(version(a) < version(b), "{a} {b}");
        }
    }
}
