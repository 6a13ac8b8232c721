//! docs/PKGCTL.md promises exit statuses and verbs: it must name those that exist.

mod support;

use std::path::Path;

use minos_pkgctl::exit::Exit;

const ALL: [Exit; 17] = [
    Exit::Ok,
    Exit::JobFailed,
    Exit::Usage,
    Exit::NotFound,
    Exit::Unreachable,
    Exit::Forbidden,
    Exit::Recipe,
    Exit::Machine,
    Exit::Protocol,
    Exit::State,
    Exit::Internal,
    Exit::Conflict,
    Exit::Limit,
    Exit::Unsolvable,
    Exit::Differs,
    Exit::NotContained,
    Exit::Interrupted,
];

fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join("docs/PKGCTL.md")).unwrap()
}

#[test]
fn exit_statuses_are_documented_in_the_page_and_in_help() {
    let codes = |text: &str, lead: &str| -> Vec<u8> {
        let lines = text.lines().filter_map(|l| l.strip_prefix(lead));
        lines.filter_map(|l| l.split(' ').next()?.parse().ok()).collect()
    };
    let all: Vec<u8> = ALL.iter().map(|exit| *exit as u8).collect();
    assert_eq!(codes(&page(), "| "), all);
    let help = support::run(&["help"]).ends(0).out;
    let (_, section) = help.split_once("Error codes:\n").unwrap();
    assert_eq!(codes(section, "  "), all);
}

#[test]
fn every_verb_is_documented() {
    let (help, page) = (support::run(&["help"]).ends(0).out, page());
    let (_, verbs) = help.split_once("Commands:\n").unwrap();
    let (verbs, _) = verbs.split_once("\n\n").unwrap();
    let names =
        verbs.lines().filter(|l| !l.starts_with("   ")).filter_map(|l| l.split_whitespace().next());
    let missing: Vec<_> = names.filter(|name| !page.contains(&format!("`{name}"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
