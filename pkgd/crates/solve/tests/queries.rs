//! Search, `why`, `why-not`, dependants.

mod support;

use minos_solve::{Limits, PackageId, Universe, WhyNot};
use support::Scene;

fn scene(lines: &str) -> (Scene, Universe) {
    let mut scene = Scene::default();
    for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
        assert!(scene.line(line), "{line}");
    }
    let universe = scene.universe();
    (scene, universe)
}

fn labels(universe: &Universe, packages: &[PackageId]) -> Vec<String> {
    packages.iter().map(|p| universe.label(*p)).collect()
}

#[test]
fn search_ranks_the_name_before_its_start_before_its_inside_before_the_description() {
    let (_, universe) = scene(
        "pkg zlib 1\npkg zlib 2\npkg zlib-doc 1\npkg libzlib 1\npkg tar 1: about reads ZLIB streams\npkg other 1",
    );
    let found = universe.search("ZLib");
    let found: Vec<_> = found.iter().map(|f| (universe.label(f.package), f.rank)).collect();
    let wanted = [("zlib 2", 0), ("zlib-doc 1", 1), ("libzlib 1", 2), ("tar 1", 3)];
    assert_eq!(found, wanted.map(|(label, rank)| (label.to_owned(), rank)));
    assert!(universe.search("").is_empty());
    assert!(universe.search("nowhere").is_empty());
}

/// `search hello test` looked for the two words in one piece.
#[test]
fn each_word_is_looked_for_in_name_and_description() {
    let (_, universe) = scene(
        "pkg hello 1: about prints a test line\npkg world 1: about says hello, for a test\npkg test 1: about alone",
    );
    let names = |text: &str| {
        let found = universe.search(text);
        found.iter().map(|f| universe.name(f.package).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("hello  Test"), ["hello", "world"]);
    assert_eq!(names("test hello line"), ["hello"]);
    assert!(names("hello nowhere").is_empty() && names("  ").is_empty());
}

/// A description ends where it ends: the last letters of one and the first of the next are no hit.
#[test]
fn search_does_not_run_from_one_description_into_the_next() {
    let (_, universe) = scene("pkg a 1: about abc\npkg b 1: about def");
    assert!(universe.search("cd").is_empty());
    assert_eq!(universe.search("ef").len(), 1);
}

#[test]
fn why_is_the_shortest_chain_from_what_was_asked() {
    let (scene, universe) = scene(
        "pkg a 1: needs b, d\npkg b 1: needs c\npkg c 1\npkg d 1: needs e\npkg e 1: needs c\npkg left 1\n\
         want a 1\nhave b 1, c 1, d 1, e 1, left 1",
    );
    let why = |name| labels(&universe, &universe.why(&scene.system, name));
    assert_eq!(why("c"), ["a 1", "b 1", "c 1"]);
    assert_eq!(why("a"), ["a 1"]);
    assert_eq!(why("left"), ["left 1"], "nothing needs it");
    assert_eq!(why("nowhere"), [""; 0]);
}

#[test]
fn why_not() {
    let (scene, universe) =
        scene("pkg a 1\npkg a 2: needs nowhere\npkg b 1: conflicts c\npkg c 1\nwant c 1");
    let ask = |want: &str| {
        universe.why_not(&scene.system, &want.parse().unwrap(), &Limits::default()).unwrap()
    };
    assert!(matches!(ask("c"), WhyNot::Installed(_)));
    let WhyNot::Possible(answer) = ask("a") else { panic!() };
    assert_eq!(answer.describe(&universe), "install a 1\n");
    let WhyNot::Impossible(refusal) = ask("a>=2") else { panic!() };
    assert!(refusal.to_string().contains("a 2 needs nowhere"), "{refusal}");
    let WhyNot::Impossible(refusal) = ask("b") else { panic!() };
    assert!(refusal.to_string().contains("b 1 conflicts with c"), "{refusal}");
}

#[test]
fn depends_and_dependants() {
    let (_, universe) = scene(
        "pkg a 1: needs b>=2 | x, y if z\npkg b 1\npkg b 2: provides x\npkg g 1: group more b\npkg m 1: needs x",
    );
    let named = |label: &str| {
        let (name, _) = label.split_once(' ').unwrap();
        universe.named(name).into_iter().find(|p| universe.label(*p) == label).unwrap()
    };
    assert_eq!(universe.depends(named("a 1")), ["b >=2 | x", "y if z"]);
    let dependants = |label| labels(&universe, &universe.dependants(named(label)));
    assert_eq!(dependants("b 2"), ["a 1", "g 1", "m 1"]);
    assert_eq!(dependants("b 1"), ["g 1"], "a needs a newer one");
}

#[test]
fn names_like_a_mistyped_one() {
    let (_, universe) = scene("pkg python3 1\npkg python3-dev 1\npkg perl 1\npkg pithon 1");
    assert_eq!(universe.similar("pyhton3", 4), ["python3"]);
    assert_eq!(universe.similar("python", 4), ["pithon", "python3"]);
}
