//! Task keys: what changes them, what does not, and that the reason is named.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{id, recipe, set, world};
use minos_model::{Digest, Phase, Stage, StepId, Triplet};
use minos_plan::{Basis, Change, Fingerprints, KeyParts, Outlook, Plan, World, outlook};
use minos_recipe::{ForTarget, Recipe, Role, Script, Source};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

fn script(text: &str) -> Script {
    Script { file: "any.sh".to_owned(), text: text.to_owned() }
}

fn source(file: &str, bytes: &[u8]) -> Source {
    Source {
        file: file.to_owned(),
        sha256: Digest::of(bytes),
        bytes: 1,
        role: Role::Main,
        strip: 1,
        into: None,
    }
}

fn sample() -> Recipe {
    let mut sample = recipe("zlib", 806, 10, &["gcc:pass1"]);
    sample.sources = vec![source("zlib-1.3.1.tar.gz", b"zlib")];
    sample.scripts.insert(Phase::Build, script("make\n"));
    sample.scripts.insert(Phase::Install, script("make install\n"));
    sample
}

fn inputs() -> Vec<(StepId, Digest)> {
    vec![(id("gcc:pass1"), Digest::of(b"gcc")), (id("m4"), Digest::of(b"m4"))]
}

fn parts(recipe: &Recipe, inputs: &[(StepId, Digest)], world: &World) -> KeyParts {
    let set = set(vec![recipe.clone()]);
    Fingerprints::of(&set).parts(&recipe.id, inputs.to_vec(), world).unwrap()
}

fn base() -> KeyParts {
    parts(&sample(), &inputs(), &world())
}

/// The layout is a format: every cache depends on it. If this fails, and it was meant, raise the
/// number in the domain string and in docs/formats/task-key.md.
#[test]
fn the_layout_is_frozen() {
    let key = "9aa7f50b4f5c0a81992c8e0eb227b8c497e5cf5f04f1b9dff09841a972485492";
    assert_eq!(base().key().to_string(), key);
}

#[test]
fn each_part_changes_the_key_and_is_named() {
    let mut field = sample();
    field.env.insert("CFLAGS".to_owned(), "-O2".to_owned());
    let mut version = sample();
    version.version = "1.0-2".parse().unwrap();
    let mut build = sample();
    build.scripts.insert(Phase::Build, script("make V=1\n"));
    let mut other_source = sample();
    other_source.sources = vec![source("zlib-1.3.1.tar.gz", b"another")];
    for (recipe, want) in [
        (field, Change::Fields),
        (version, Change::Fields),
        (build, Change::Script(Phase::Build)),
        (other_source, Change::Source("zlib-1.3.1.tar.gz".to_owned())),
    ] {
        let new = parts(&recipe, &inputs(), &world());
        assert_ne!(new.key(), base().key(), "{want}");
        assert_eq!(new.changes(&base()), [want]);
    }
}

/// A patch that was corrected has to build the step anew, and a recipe without files has the key it always had.
#[test]
fn files_of_the_recipe_are_in_the_key() {
    let with = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
        parts(&Recipe { files: files.collect(), ..sample() }, &inputs(), &world())
    };
    assert_eq!(with(&[]), base());
    let one = with(&[("fix.patch", "-a\n+b\n")]);
    let keys = [
        base(),
        one.clone(),
        with(&[("fix.patch", "-a\n+c\n")]),
        with(&[("fix2.patch", "-a\n+b\n")]),
        with(&[("conf/fix.patch", "-a\n+b\n")]),
    ]
    .map(|parts| parts.key());
    assert_eq!(BTreeSet::from(keys).len(), keys.len());
    let told = |new: &KeyParts, old: &KeyParts| {
        new.changes(old).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(told(&one, &base()), ["file fix.patch changed"]);
    assert_eq!(told(&base(), &one), ["file fix.patch changed"]);
}

/// A dependency that was taken out was told as one whose output had changed.
#[test]
fn an_input_that_came_or_went_is_told_as_such() {
    let less = parts(&sample(), &inputs()[..1], &world());
    assert_eq!(less.changes(&base())[0].to_string(), "m4 is no input any more");
    assert_eq!(base().changes(&less)[0].to_string(), "m4 is a new input");
}

/// A suite that was added to a recipe had its step built anew, and all above it looked at again, for tests that
/// nobody had asked for.
#[test]
fn the_test_suite_is_not_in_the_key() {
    let mut check = sample();
    check.scripts.insert(Phase::Check, script("make check\n"));
    check.check.critical = true;
    check.check.expected = Some(script("a # b\n"));
    assert_eq!(parts(&check, &inputs(), &world()), base());
}

#[test]
fn inputs_and_world_change_the_key_and_are_named() {
    let mut output = inputs();
    output[0].1 = Digest::of(b"gcc, otherwise");
    let fewer = inputs()[..1].to_vec();
    let more = [inputs(), vec![(id("make"), Digest::of(b"make"))]].concat();
    let swapped: Vec<_> = inputs().into_iter().rev().collect();
    let seed = World { seed: Digest::of(b"another"), ..world() };
    let sandbox = World { sandbox_version: 2, ..world() };
    let cpu = World { cpu: "x86-64-v3".to_owned(), ..world() };
    let epoch = World { epoch: -2, ..world() };
    for (inputs, world, want) in [
        (output, world(), Change::Input(id("gcc:pass1"))),
        (fewer, world(), Change::InputGone(id("m4"))),
        (more, world(), Change::InputAdded(id("make"))),
        (swapped, world(), Change::InputOrder),
        (inputs(), seed, Change::Seed),
        (inputs(), sandbox, Change::Sandbox { old: 1, new: 2 }),
        (inputs(), cpu, Change::Cpu { old: "x86-64".into(), new: "x86-64-v3".into() }),
        (inputs(), epoch, Change::Epoch { old: 1, new: -2 }),
    ] {
        let new = parts(&sample(), &inputs, &world);
        assert_ne!(new.key(), base().key(), "{want}");
        assert_eq!(new.changes(&base()), [want]);
    }
}

/// From the chroot on nothing of the seed is seen: the same packages come from whatever seed.
#[test]
fn the_seed_is_in_the_keys_of_steps_that_stand_on_it_alone() {
    let other = World { seed: Digest::of(b"another"), ..world() };
    for stage in Stage::ALL {
        let recipe = Recipe { stage, ..sample() };
        let [one, two] = [world(), other.clone()].map(|world| parts(&recipe, &inputs(), &world));
        assert_eq!(one.key() == two.key(), !stage.seeded(), "{stage}");
    }
    let unseeded = Stage::ALL.into_iter().filter(|stage| !stage.seeded());
    assert!(unseeded.eq([Stage::Chroot, Stage::System, Stage::Boot]));
}

#[test]
fn what_cannot_change_the_result_does_not_change_the_key() {
    let mut same = sample();
    same.description = "another line".to_owned();
    same.license = "Zlib".to_owned();
    same.order = 1;
    same.needs.sbu_centi = 99;
    same.needs.ram_mb = 99;
    same.limits.silence_s = 99;
    same.groups = vec!["toolchain".parse().unwrap()];
    same.folder = "elsewhere/zlib".to_owned();
    same.text = "# a comment\n".to_owned();
    assert_eq!(parts(&same, &inputs(), &world()), base());
    same.needs.jobs_max = 1;
    assert_ne!(parts(&same, &inputs(), &world()), base(), "make -j may show in a result");
}

/// Each machine has its own, and none of the tables for other machines is in the native one: what was built before
/// there were any is not built again.
#[test]
fn every_machine_has_a_key_of_its_own() {
    let native = Recipe { stage: Stage::Cross, build: Vec::new(), ..sample() };
    let key = |recipe: &Recipe, machine: Option<Triplet>| {
        let prints = Fingerprints::of(&set(vec![recipe.clone()]));
        prints.parts(&recipe.id.on(machine), Vec::new(), &world()).unwrap().key()
    };
    let mut keys: Vec<Digest> = Triplet::ALL.map(|machine| key(&native, Some(machine))).into();
    keys.push(key(&native, None));
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), Triplet::ALL.len() + 1);

    let table = ForTarget {
        append: [(Phase::Build, script("make more\n"))].into(),
        env: [("ARCH".to_owned(), "arm64".to_owned())].into(),
        ..ForTarget::default()
    };
    let told = Recipe { targets: [(Triplet::Aarch64, table)].into(), ..native.clone() };
    assert_eq!(key(&told, None), key(&native, None));
    assert_eq!(key(&told, Some(Triplet::Riscv64)), key(&native, Some(Triplet::Riscv64)));
    assert_ne!(key(&told, Some(Triplet::Aarch64)), key(&native, Some(Triplet::Aarch64)));
}

proptest! {
    #[test]
    fn keys_are_equal_exactly_when_the_parts_are(
        a in prop::collection::vec(("[ab]{1,2}", any::<bool>()), 0..4),
        b in prop::collection::vec(("[ab]{1,2}", any::<bool>()), 0..4),
    ) {
        let with = |list: &[(String, bool)]| {
            let inputs: BTreeMap<StepId, Digest> =
                list.iter().map(|(n, d)| (id(n), Digest::of(&[u8::from(*d)]))).collect();
            parts(&sample(), &inputs.into_iter().collect::<Vec<_>>(), &world())
        };
        let (a, b) = (with(&a), with(&b));
        prop_assert_eq!(a == b, a.key() == b.key());
        prop_assert_eq!(a == b, a.changes(&b).is_empty());
    }
}

/// Early cut-off: a rebuilt input that comes out as before leaves what depends on it cached.
#[test]
fn outlook_follows_outputs_not_keys() {
    let chain = |text: &str| {
        let mut low = recipe("low", 1, 1, &[]);
        low.scripts.insert(Phase::Install, script(text));
        set(vec![low, recipe("mid", 2, 1, &["low"]), recipe("top", 3, 1, &["mid"])])
    };
    let set = chain("true\n");
    let plan = Plan::for_target(&set, "top").unwrap();
    let prints = Fingerprints::of(&set);
    let mut cache: BTreeMap<Digest, Digest> = BTreeMap::new();
    for (step, waiting) in [("low", 2), ("mid", 1), ("top", 0)] {
        let seen = outlook(&plan, &prints, &world(), |key| cache.get(key).copied());
        let at = plan.position(&id(step)).unwrap();
        let Outlook::Build { key, .. } = &seen[at] else { panic!("{step}: {:?}", seen[at]) };
        let waits = seen.iter().filter(|o| matches!(o, Outlook::Waits { .. })).count();
        assert_eq!(waits, waiting, "{step}");
        cache.insert(*key, Digest::of(step.as_bytes()));
    }
    let set = chain("true # otherwise\n");
    let (plan, prints) = (Plan::for_target(&set, "top").unwrap(), Fingerprints::of(&set));
    let seen = outlook(&plan, &prints, &world(), |key| cache.get(key).copied());
    let Outlook::Build { key, .. } = &seen[0] else { panic!("{:?}", seen[0]) };
    assert_eq!(seen[1..], [Outlook::Waits { on: 0 }, Outlook::Waits { on: 1 }]);
    cache.insert(*key, Digest::of(b"low"));
    let seen = outlook(&plan, &prints, &world(), |key| cache.get(key).copied());
    assert!(seen.iter().all(|o| matches!(o, Outlook::Cached { .. })), "{seen:?}");
}

fn basis(recipe: &Recipe, inputs: &[(StepId, Digest)], world: &World) -> Basis {
    let set = set(vec![recipe.clone()]);
    Fingerprints::of(&set).basis(&recipe.id, inputs.to_vec(), world).unwrap()
}

/// A recipe with a script for each phase that has one of its own.
fn scripted() -> Recipe {
    let mut recipe = sample();
    for phase in [Phase::Prepare, Phase::Configure, Phase::Check, Phase::Assert] {
        recipe.scripts.insert(phase, script(&format!("{phase}\n")));
    }
    recipe
}

/// Each script's own change, and those that nothing survives.
#[test]
fn phases_hold_up_to_the_first_script_that_changed() {
    let old = basis(&scripted(), &inputs(), &world());
    let built = [Phase::Unpack, Phase::Prepare, Phase::Configure, Phase::Build, Phase::Install];
    assert_eq!(old.shared(&old), built);
    let cases =
        [(Phase::Prepare, 1), (Phase::Configure, 2), (Phase::Build, 3), (Phase::Install, 4)];
    for (phase, left) in cases.into_iter().chain([(Phase::Check, 5), (Phase::Assert, 5)]) {
        let mut new = scripted();
        new.scripts.insert(phase, script("other\n"));
        assert_eq!(basis(&new, &inputs(), &world()).shared(&old), built[..left], "{phase} changed");
        new.scripts.remove(&phase);
        assert_eq!(basis(&new, &inputs(), &world()).shared(&old), built[..left], "{phase} gone");
        let without = basis(&new, &inputs(), &world());
        assert_eq!(old.shared(&without), built[..left], "{phase} new");
    }
}

#[test]
fn what_counts_for_every_phase_leaves_none() {
    let old = basis(&scripted(), &inputs(), &world());
    let none: [Phase; 0] = [];
    let mut changes: Vec<Recipe> = vec![scripted(); 6];
    changes[0].env.insert("CFLAGS".to_owned(), "-O1".to_owned());
    changes[1].sources[0].sha256 = Digest::of(b"other");
    changes[2].needs.jobs_max = 1;
    changes[3].sources[0].strip = 0;
    changes[4].version = "9.9".parse().unwrap();
    changes[5].stage = Stage::System;
    for (n, new) in changes.iter().enumerate() {
        assert_eq!(basis(new, &inputs(), &world()).shared(&old), none, "{n}");
    }
    let other = vec![(id("gcc:pass1"), Digest::of(b"other")), inputs()[1].clone()];
    assert_eq!(basis(&scripted(), &other, &world()).shared(&old), none);
    assert_eq!(basis(&scripted(), &inputs()[1..], &world()).shared(&old), none);
    let sandbox = World { sandbox_version: 99, ..world() };
    assert_eq!(basis(&scripted(), &inputs(), &sandbox).shared(&old), none);
    let seed = World { seed: Digest::of(b"another seed"), ..world() };
    assert_eq!(basis(&scripted(), &inputs(), &seed).shared(&old), none);
}

/// A file that must be setuid and was not named is found when all is compiled.
#[test]
fn what_install_alone_is_told_leaves_what_was_built() {
    let old = basis(&scripted(), &inputs(), &world());
    let mut new = scripted();
    new.install.setuid.push("/usr/bin/su".to_owned());
    let shared = basis(&new, &inputs(), &world()).shared(&old);
    assert_eq!(shared, [Phase::Unpack, Phase::Prepare, Phase::Configure, Phase::Build]);
}
