//! The independent checker: right answers pass, and every way to be wrong is found.

mod support;

use minos_solve::check::{Violation, check};
use minos_solve::{Limits, PackageId, Universe, solve};
use support::Scene;

fn scene(lines: &str) -> Scene {
    let mut scene = Scene::default();
    for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
        assert!(scene.line(line), "{line}");
    }
    scene
}

/// The package written `NAME VERSION`.
fn find(universe: &Universe, label: &str) -> PackageId {
    let (name, _) = label.split_once(' ').expect(label);
    let mut named = universe.named(name).into_iter();
    named.find(|p| universe.label(*p) == label).unwrap_or_else(|| panic!("no {label}"))
}

fn violations(lines: &str, answer: &[&str]) -> Vec<Violation> {
    let scene = scene(lines);
    let universe = scene.universe();
    let packages: Vec<PackageId> = answer.iter().map(|label| find(&universe, label)).collect();
    check(&universe, &scene.system, &scene.request, &packages)
}

fn texts(lines: &str, answer: &[&str]) -> Vec<String> {
    violations(lines, answer).iter().map(ToString::to_string).collect()
}

#[test]
fn right_answers_pass() {
    let lines = "pkg a 1: needs b>=2 | c, d if e\npkg b 1\npkg b 2\npkg e 1\npkg d 1\ninstall a";
    assert_eq!(texts(lines, &["a 1", "b 2"]), [""; 0]);
    assert_eq!(texts(lines, &["a 1", "b 2", "e 1", "d 1"]), [""; 0]);
}

#[test]
fn a_need_that_is_not_met() {
    let lines = "pkg a 1: needs b>=2 | c\npkg b 1\npkg b 2\ninstall a";
    assert_eq!(texts(lines, &["a 1"]), ["a 1 needs b >=2 | c, which is not there"]);
    assert_eq!(texts(lines, &["a 1", "b 1"]), ["a 1 needs b >=2 | c, which is not there"]);
}

#[test]
fn a_condition_that_holds_and_is_not_met() {
    let lines = "pkg a 1: needs d if e\npkg e 1\npkg d 1\ninstall a";
    assert_eq!(texts(lines, &["a 1", "e 1"]), ["a 1 needs d, which is not there"]);
}

#[test]
fn two_versions_of_one_name() {
    let lines = "pkg a 1\npkg a 2\ninstall a";
    assert_eq!(texts(lines, &["a 1", "a 2"]), ["a 1 and a 2 have one name"]);
}

#[test]
fn conflicts_by_name_and_by_capability_and_by_replacing() {
    let lines = "pkg a 1: conflicts b<2\npkg b 1\npkg b 2\ninstall a";
    assert_eq!(texts(lines, &["a 1", "b 1"]), ["a 1 conflicts with b 1"]);
    assert_eq!(texts(lines, &["a 1", "b 2"]), [""; 0]);
    let lines = "pkg a 1: conflicts mail; provides mail\npkg b 1: provides mail\ninstall a";
    assert_eq!(texts(lines, &["a 1", "b 1"]), ["a 1 conflicts with b 1"]);
    let lines = "pkg a 1: replaces b\npkg b 1\ninstall a";
    assert_eq!(texts(lines, &["a 1", "b 1"]), ["a 1 conflicts with b 1"]);
}

#[test]
fn a_role_that_two_play() {
    let lines = "pkg a 1: provides role:init\npkg b 1: provides role:init\ninstall a";
    assert_eq!(texts(lines, &["a 1", "b 1"]), ["a 1 and b 1 both play role:init"]);
}

#[test]
fn what_was_asked_and_is_missing_and_what_was_removed_and_is_there() {
    let lines = "pkg a 1\npkg b 1\nwant b 1\ninstall a";
    assert_eq!(texts(lines, &["b 1"]), ["a is asked for and not there"]);
    assert_eq!(texts(lines, &["a 1"]), ["b is asked for and not there"]);
    assert_eq!(
        texts("pkg b 1\nwant b 1\nremove b", &["b 1"]),
        ["b 1 was to be removed and is there"]
    );
}

#[test]
fn a_group_that_is_not_met() {
    let lines = "pkg a 1: group gui gtk\npkg gtk 1\ninstall a[gui]";
    assert_eq!(texts(lines, &["a 1"]), ["a[gui] is asked for and not there"]);
    assert_eq!(texts(lines, &["a 1", "gtk 1"]), [""; 0]);
}

#[test]
fn policies() {
    let two = "pkg a 1\npkg a 2\n";
    assert_eq!(
        texts(&format!("{two}want a 1\nhold a\nupgrade"), &["a 2"]),
        ["a 1 is held and would change"]
    );
    assert_eq!(texts(&format!("{two}want a 2\ninstall a"), &["a 1"]), ["a 1 is older than a 2"]);
    assert_eq!(texts(&format!("{two}want a 2\ndowngrade a=1"), &["a 1"]), [""; 0]);
    assert_eq!(texts(&format!("{two}pin a<2\ninstall a"), &["a 2"]), ["a 2 is against the pin a"]);
    let repositories = "repo main 10\npkg a 1\nrepo other 5\npkg a 2\ninstall a";
    let wanted = "a 2 is of a repository that its name does not belong to";
    assert_eq!(texts(repositories, &["a 2"]), [wanted]);
}

/// A package of a repository of lower priority takes nobody's place by itself.
#[test]
fn a_foreign_replacement_is_no_answer() {
    let lines = "repo main 10\npkg old 1\nrepo other 5\npkg new 2: replaces old\nwant old 1\n";
    let missing = "old is asked for and not there";
    assert_eq!(texts(&format!("{lines}upgrade"), &["new 2"]), [missing]);
    assert_eq!(texts(&format!("{lines}install new"), &["new 2"]), [""; 0]);
    assert_eq!(texts(&format!("{lines}pin new@other\nupgrade"), &["new 2"]), [""; 0]);
    let same = lines.replace("other 5", "other 10");
    assert_eq!(texts(&format!("{same}upgrade"), &["new 2"]), [""; 0]);
}

/// A constraint that the index spoils behind a right checksum is found by the checker, not believed.
#[test]
fn a_spoilt_constraint_is_not_believed() {
    let scene = scene("pkg a 1: needs b>=1\npkg b 1\ninstall a");
    let main = [minos_solve::index::Repository { name: "main".to_owned(), priority: 0 }];
    let mut bytes = minos_solve::index::build(&main, scene.packages.clone()).unwrap();
    let at = bytes.windows(3).position(|w| w == b">=1").unwrap();
    bytes[at + 1] = b'?';
    let sum = crc32fast::hash(&bytes[16..]).to_le_bytes();
    bytes[12..16].copy_from_slice(&sum);
    let table = minos_solve::index::Table::parse(bytes).unwrap();
    let universe = Universe::new(std::sync::Arc::new(table), support::table(&main, Vec::new()));
    let error = solve(&universe, &scene.system, &scene.request, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("the index has '>?1' for a constraint"), "{error}");
}

/// Every answer of the solver for a large universe passes, and taking any one package out of it does not.
#[test]
fn no_package_of_a_large_answer_can_be_missing() {
    let mut scene = scene("install meta-large");
    scene.packages = minos_solve::synth::universe(0.02, 3);
    let universe = scene.universe();
    let answer = solve(&universe, &scene.system, &scene.request, &Limits::default()).unwrap();
    assert!(answer.packages.len() > 300);
    for index in (0..answer.packages.len()).step_by(7) {
        let mut fewer = answer.packages.clone();
        fewer.remove(index);
        assert!(!check(&universe, &scene.system, &scene.request, &fewer).is_empty());
    }
}
