//! The pages below `docs/` against the tree: links lead somewhere, named tests exist, tables are true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use minos_tests::artefacts::top;

/// Every page: `docs/**/*.md`, and the README where there is one.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![top().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    found.extend(Some(top().join("README.md")).filter(|readme| readme.exists()));
    assert!(found.len() > 10, "the pages were not found");
    found
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The text without blocks of code, in which brackets mean something else.
fn prose(page: &Path) -> String {
    let mut code = false;
    let text = text(page);
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The targets of `[text](target)` that are paths, resolved against the page's folder.
fn links(page: &Path) -> Vec<(String, PathBuf)> {
    let prose = prose(page);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local = targets.filter(|t| !t.contains("://") && !t.starts_with(['#', '<']));
    let folder = page.parent().expect("a folder");
    local
        .map(|t| (t.to_owned(), clean(&folder.join(t.split('#').next().unwrap_or_default()))))
        .collect()
}

/// The path without `.` and `..`.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        for (written, target) in links(&page) {
            assert!(target.exists(), "{}: nothing at '{written}'", page.display());
        }
    }
}

/// A page nobody links to is a page nobody reads.
#[test]
fn every_page_is_reachable_from_the_architecture() {
    let start = top().join("docs/ARCHITECTURE.md");
    let mut seen = BTreeSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(page) = open.pop() {
        let targets = links(&page).into_iter().map(|(_, target)| target);
        for target in targets.filter(|t| t.extension().is_some_and(|e| e == "md")) {
            if seen.insert(target.clone()) {
                open.push(target);
            }
        }
    }
    for page in pages().iter().filter(|page| page.starts_with(top().join("docs"))) {
        assert!(seen.contains(page), "{} is linked from nowhere", page.display());
    }
}

/// All `path.rs::name` in backticks.
fn named_tests(page: &Path) -> Vec<(String, String)> {
    let text = text(page);
    let code = text.split('`').skip(1).step_by(2);
    code.filter_map(|word| word.split_once(".rs::"))
        .map(|(path, name)| (format!("{path}.rs"), name.to_owned()))
        .collect()
}

/// Whether the file has the test: as a function that is one, or in the table of a harness of its own.
fn has_test(source: &str, name: &str) -> bool {
    if source.contains(&format!("(\"{name}\",")) {
        return true;
    }
    let Some((above, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    // Attributes and comments stand right above it.
    let lines = above.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let attributes = lines.lines().rev().map(str::trim);
    attributes.take_while(|line| line.starts_with(['#', '/'])).any(|line| line == "#[test]")
}

#[test]
fn named_tests_exist() {
    for page in pages() {
        for (path, name) in named_tests(&page) {
            let file = top().join(&path);
            assert!(file.exists(), "{}: there is no {path}", page.display());
            assert!(has_test(&text(&file), &name), "{}: {path} has no {name}", page.display());
        }
    }
    let specification = named_tests(&top().join("docs/SPECIFICATION.md"));
    assert!(specification.len() > 100, "the specification's tests were not found");
}

/// Rows of the specification's tables: number and last cell.
fn promises() -> Vec<(String, String)> {
    let page = text(&top().join("docs/SPECIFICATION.md"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let number = cells.get(1)?.strip_prefix(char::is_alphabetic)?;
        let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        (numbered && cells.len() == 5).then(|| (cells[1].to_owned(), cells[3].to_owned()))
    };
    page.lines().filter_map(row).collect()
}

#[test]
fn every_promise_has_a_number_of_its_own_and_a_test_or_says_pending() {
    let mut seen = BTreeSet::new();
    for (number, held_by) in promises() {
        assert!(seen.insert(number.clone()), "{number} stands twice");
        let held = held_by.contains(".rs::") || held_by.contains("*pending*");
        assert!(held, "{number} names no test and is not *pending*");
    }
    assert!(seen.len() > 80, "the promises were not found");
}

/// Number and last cell of the rows of `PITFALLS.md`.
fn pitfalls() -> Vec<(u32, String)> {
    let page = text(&top().join("docs/PITFALLS.md"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let number = cells.get(1)?.parse().ok()?;
        assert_eq!(cells.len(), 6, "pitfall {number} has other than four cells");
        Some((number, cells[4].to_owned()))
    };
    page.lines().filter_map(row).collect()
}

#[test]
fn every_pitfall_has_its_row_and_a_test_or_says_pending() {
    let rows = pitfalls();
    assert_eq!(rows.iter().map(|(n, _)| *n).collect::<Vec<_>>(), (1..=32).collect::<Vec<_>>());
    for (number, held_by) in rows {
        let held = held_by.contains(".rs::") || held_by.contains("*pending*");
        assert!(held, "pitfall {number} names no test and is not *pending*");
    }
}

/// All `fn pitfall_N_name` of the tree, with N.
fn tests_of_pitfalls(folder: &Path, found: &mut Vec<(u32, String)>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            tests_of_pitfalls(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            for rest in text(&path).split("fn pitfall_").skip(1) {
                let name = rest.split('(').next().unwrap_or_default();
                let number = name.split('_').next().and_then(|n| n.parse().ok());
                found.extend(number.map(|n| (n, format!("pitfall_{name}"))));
            }
        }
    }
}

#[test]
fn every_test_of_a_pitfall_stands_in_its_row() {
    let rows: BTreeMap<u32, String> = pitfalls().into_iter().collect();
    let mut tests = Vec::new();
    for folder in ["init", "pkgd", "pkgctl", "image", "qemu", "tests"] {
        tests_of_pitfalls(&top().join(folder), &mut tests);
    }
    assert!(tests.len() > 30, "the tests were not found");
    for (number, name) in tests {
        let row = rows.get(&number).unwrap_or_else(|| panic!("{name}: there is no such pitfall"));
        assert!(row.contains(&format!("::{name}`")), "row {number} does not name {name}");
    }
}

/// Folders at the root of a file system that pages may speak of: those of every Linux, and of MinOS.
const COMMON: &[&str] = &[
    "bin", "boot", "build", "dev", "etc", "init", "lfs", "lib", "mnt", "opt", "proc", "run",
    "sbin", "seed", "sources", "srv", "state", "sys", "tmp", "usr", "var",
];

/// Pages speak of no path that only one machine has.
#[test]
fn no_path_of_this_machine() {
    let mut forbidden = vec!["/home/".to_owned(), "/root/".to_owned(), "/Users/".to_owned()];
    forbidden.push(top().display().to_string());
    let first = top().components().nth(1).map(|c| c.as_os_str().to_string_lossy().into_owned());
    forbidden.extend(first.filter(|f| !COMMON.contains(&&**f)).map(|f| format!("/{f}/")));
    for page in pages() {
        let text = text(&page);
        for path in &forbidden {
            let at_start = |(at, _): (usize, &str)| {
                // "build/root/" is relative, and so is "x.y/root/".
                !text[..at].ends_with(|c: char| c.is_alphanumeric() || "/.-_>}".contains(c))
            };
            let found = text.match_indices(path).any(at_start);
            assert!(!found, "{} names {path}", page.display());
        }
    }
}

/// Pairs of crate and allowed dependencies in `ALLOWED` of `architecture.rs`.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let source = text(&top().join("tests/tests/architecture.rs"));
    let (_, rest) = source.split_once("const ALLOWED").expect("the list");
    let (list, _) = rest.split_once("];").expect("its end");
    let words: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    let pairs = words.chunks_exact(2);
    pairs.map(|pair| (pair[0].to_owned(), split(&pair[1].replace('\\', " ")))).collect()
}

fn split(words: &str) -> BTreeSet<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_table_of_dependencies_is_the_list_that_is_enforced() {
    let page = text(&top().join("docs/ARCHITECTURE.md"));
    let (_, section) = page.split_once("## Who may depend on whom").expect("the section");
    let rows = section.lines().take_while(|line| !line.starts_with("## "));
    let rows = rows.filter(|line| line.starts_with("| minos-"));
    let table: BTreeMap<String, BTreeSet<String>> = rows
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1].to_owned(), split(cells[2]))
        })
        .collect();
    assert_eq!(table, allowed());
}

/// The names of an enum's variants as they stand in the source, in order.
fn variants(source: &str, name: &str) -> Vec<String> {
    let start = format!("pub enum {name} {{\n");
    let body = source.split(&start).nth(1).unwrap_or_else(|| panic!("no {name}"));
    let body = body.split("\n}").next().expect("a first piece");
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let lines = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    let word = |line: &str| line.split(|c: char| !c.is_alphanumeric()).next().map(str::to_owned);
    lines.filter_map(word).collect()
}

/// A variant that is missed out gives all behind it another number. Three requests were.
#[test]
fn the_numbers_of_variants_are_those_of_the_source() {
    let page = text(&top().join("docs/formats/frames.md"));
    let rows = page.lines().filter(|line| line.ends_with(".rs` |"));
    let mut seen = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, told, source, _] = cells[..] else { panic!("{row}") };
        let source = source.trim_matches('`');
        let place = if source.contains('/') { "" } else { "proto/src/" };
        let path = top().join("pkgd/crates").join(format!("{place}{source}"));
        let told = told.replace(" (these two only recorded)", "");
        let told: Vec<&str> = told.split(", ").collect();
        assert_eq!(told, variants(&text(&path), name), "{name}");
        seen += 1;
    }
    assert!(seen > 15, "{seen} rows");
}

/// The page that says what JSON looks like has the word of every event.
#[test]
fn every_event_has_its_word_in_the_page() {
    let page = text(&top().join("docs/PKGCTL.md"));
    for name in variants(&text(&top().join("pkgd/crates/proto/src/event.rs")), "EventBody") {
        let mut word = String::new();
        for c in name.chars() {
            if c.is_ascii_uppercase() && !word.is_empty() {
                word.push('-');
            }
            word.push(c.to_ascii_lowercase());
        }
        assert!(page.contains(&format!("`{word}`")), "{word}");
    }
}
