//! The recipes that MinOS ships: free of findings, and what they promise.

use std::path::Path;

use minos_model::{Phase, StepId};
use minos_recipe::{RecipeSet, Role};

fn shipped() -> RecipeSet {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let (set, lints) = RecipeSet::load(&dir).unwrap();
    let lints: Vec<String> = lints.iter().map(ToString::to_string).collect();
    assert!(lints.is_empty(), "{}", lints.join("\n"));
    set
}

fn id(text: &str) -> StepId {
    text.parse().unwrap()
}

#[test]
fn toolchain_is_the_five_steps_of_chapter_5() {
    let mut steps = shipped().resolve("lfs/toolchain").unwrap();
    steps.sort();
    let want = ["binutils:pass1", "gcc:pass1", "glibc", "libstdcxx", "linux-headers"].map(id);
    assert_eq!(steps, want);
}

/// Their order in the graph may differ; `order` is that of the book.
#[test]
fn temporary_tools_are_the_steps_of_chapter_6() {
    let set = shipped();
    let mut steps: Vec<_> =
        set.resolve("lfs/temporary").unwrap().iter().filter_map(|id| set.get(id)).collect();
    steps.sort_by_key(|recipe| recipe.order);
    let names: Vec<_> = steps.iter().map(|recipe| recipe.id.to_string()).collect();
    let tools =
        "m4 ncurses bash coreutils diffutils file findutils gawk grep gzip make patch sed tar xz";
    let mut want: Vec<_> = tools.split(' ').map(|tool| format!("{tool}:temporary")).collect();
    // gcc:pass2 (6.18) joins the group once it was built from end to end.
    want.push("binutils:pass2".to_owned());
    assert_eq!(names, want);
    for (section, recipe) in (602..).zip(steps) {
        assert_eq!(recipe.order, section, "{}", recipe.id);
        let section = format!("(LFS 6.{})", section - 600);
        assert!(recipe.description.ends_with(&section), "{}: {}", recipe.id, recipe.description);
    }
}

#[test]
fn every_recipe_has_what_a_reader_expects() {
    for recipe in shipped().iter() {
        let phases: Vec<Phase> = recipe.phases().into_iter().map(|(phase, _)| phase).collect();
        assert!(phases.contains(&Phase::Install), "{}", recipe.id);
        assert!(phases.contains(&Phase::Assert), "{}: nothing checks its output", recipe.id);
        assert!(phases.is_sorted(), "{}", recipe.id);
        assert_eq!(phases.contains(&Phase::Unpack), !recipe.sources.is_empty(), "{}", recipe.id);
        let below = recipe.stage.prefix();
        assert!(recipe.install.prefix.starts_with(below), "{}", recipe.id);
    }
}

#[test]
fn gcc_finds_its_three_libraries_in_its_tree() {
    let set = shipped();
    let gcc = set.get(&id("gcc:pass1")).unwrap();
    let extra = gcc.sources.iter().filter(|s| s.role == Role::Extra);
    let into: Vec<_> = extra.filter_map(|s| s.into.as_deref()).collect();
    assert_eq!(into, ["gmp", "mpfr", "mpc"]);
    let (_, unpack) = &gcc.phases()[0];
    for source in &gcc.sources {
        assert!(unpack.contains(&source.file), "{}", source.file);
    }
}

#[test]
fn index_round_trips_and_is_the_same_each_time() {
    let set = shipped();
    let bytes = set.compile();
    assert_eq!(bytes, shipped().compile());
    assert_eq!(RecipeSet::from_compiled(&bytes), Ok(set));
}
