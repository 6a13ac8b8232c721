//! The solver against brute force: every subset of small universes, tried one by one.
//!
//! Brute force knows nothing of the index or of search. It reads the entries as they were written and says which sets
//! of packages are answers; the solver must find one exactly where there is one, none with less change may be among
//! them, a proof must hold by its facts alone, and a way out must work.

mod model;
mod scenes;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use minos_solve::index::{Entry, Term};
use minos_solve::{Answer, Ask, Fact, Limits, SolveError, Universe, WayOut, solve};
use model::{Brute, meets};
use proptest::prelude::{ProptestConfig, proptest};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};
use scenes::scene;
use support::Scene;

type Checked = Result<(), TestCaseError>;

fn names(set: &[&Entry]) -> Vec<String> {
    set.iter().map(|e| format!("{} {}", e.name, e.version)).collect()
}

fn checked(scene: &Scene) -> Checked {
    let brute = Brute::new(scene);
    let Some(answers) = brute.answers() else { return Ok(()) };
    let universe = scene.universe();
    match solve(&universe, &scene.system, &scene.request, &Limits::default()) {
        Ok(answer) => right(&brute, &universe, &answers, &answer),
        Err(SolveError::Refused(refusal)) => {
            prop_assert!(answers.is_empty(), "refused: {refusal}\nbut: {:?}", names(&answers[0]));
            prop_assert!(refusal.proof.complete, "no proof: {refusal}");
            Ok(())
        }
        Err(error) => Err(TestCaseError::fail(error.to_string())),
    }
}

fn right(
    brute: &Brute<'_>,
    universe: &Universe,
    answers: &[Vec<&Entry>],
    answer: &Answer,
) -> Checked {
    prop_assert!(answer.minimal);
    let packages = answer.packages.iter().map(|p| {
        let is = |e: &&Entry| {
            e.name == universe.name(*p) && e.version.to_string() == universe.version_text(*p)
        };
        brute.scene.packages.iter().find(is).expect("of the scene")
    });
    let found: Vec<&Entry> = packages.collect();
    prop_assert!(brute.is_answer(&found), "not an answer: {:?}", names(&found));
    keeps_most(brute, answers, &found)?;
    prefers_most(brute, answers, &found)
}

/// No answer keeps more of what is installed.
fn keeps_most(brute: &Brute<'_>, answers: &[Vec<&Entry>], found: &[&Entry]) -> Checked {
    let kept = brute.kept(found);
    for other in answers {
        let more = brute.kept(other);
        prop_assert!(
            !(kept.is_subset(&more) && kept != more),
            "{:?} keeps {kept:?}, {:?} keeps {more:?}",
            names(found),
            names(other)
        );
    }
    Ok(())
}

/// No answer that keeps as much has more of what is preferred: what this request asks for in its best version, what
/// is updated in its newest, all else in the version it has.
fn prefers_most(brute: &Brute<'_>, answers: &[Vec<&Entry>], found: &[&Entry]) -> Checked {
    let any_replaces = brute.scene.packages.iter().any(|e| !e.replaces.is_empty());
    let updates = brute.asks(|a| matches!(a, Ask::Update(_) | Ask::Upgrade));
    if any_replaces && updates {
        return Ok(()); // What replaces is preferred then, which the cases hold.
    }
    let preferred = preferred(brute);
    let met = |set: &[&Entry]| -> Vec<bool> { preferred.iter().map(|p| set.contains(p)).collect() };
    let (kept, ours) = (brute.kept(found), met(found));
    for other in answers.iter().filter(|other| kept.is_subset(&brute.kept(other))) {
        let theirs = met(other);
        let no_less = ours.iter().zip(&theirs).all(|(ours, theirs)| ours <= theirs);
        prop_assert!(
            !no_less || ours == theirs,
            "{:?} is less preferred than {:?}",
            names(found),
            names(other)
        );
    }
    Ok(())
}

/// One package for each want of this request and for each installed package.
fn preferred<'s>(brute: &Brute<'s>) -> Vec<&'s Entry> {
    let newest = |fits: &dyn Fn(&Entry) -> bool| {
        let all = brute.scene.packages.iter().filter(|e| fits(e) && brute.may(e));
        all.max_by(|a, b| a.version.cmp(&b.version))
    };
    let mut found = Vec::new();
    let mut asked = BTreeSet::new();
    let is_fresh = |name: &str| {
        brute.asks(|a| *a == Ask::Upgrade || matches!(a, Ask::Update(fresh) if fresh == name))
    };
    for ask in &brute.scene.request.asks {
        if let Ask::Install(want) | Ask::Downgrade(want) = ask {
            let name = want.term.target.as_str();
            asked.insert(name);
            let here = brute.current(name).filter(|e| meets(e, &want.term) && !is_fresh(name));
            let named = |e: &Entry| e.name == name && meets(e, &want.term);
            found.extend(here.or_else(|| newest(&named)));
        }
    }
    for old in brute.installed.iter().filter(|old| !asked.contains(old.name.as_str())) {
        let removed = brute.asks(|a| matches!(a, Ask::Remove(name) if *name == old.name));
        if is_fresh(&old.name) {
            found.extend(newest(&|e: &Entry| e.name == old.name));
        } else if !removed {
            found.push(old);
        }
    }
    found
}

fn text(term: &Term) -> String {
    let space = if term.constraint.is_any() { "" } else { " " };
    format!("{}{space}{}", term.target, term.constraint)
}

/// The scene with nothing in it but what the facts say. Replacing stays: it also meets wants.
fn only(scene: &Scene, facts: &[Fact]) -> Scene {
    let mut scene = scene.clone();
    for entry in &mut scene.packages {
        let label = format!("{} {}", entry.name, entry.version);
        entry.needs.retain(|wanted| {
            let words: Vec<String> = wanted.any.iter().map(text).collect();
            let beside = wanted.when.as_ref().map(text);
            facts.iter().any(|fact| {
                matches!(fact, Fact::Needs { name, version, need, when }
                    if format!("{name} {version}") == label && *need == words.join(" | ") && *when == beside)
            })
        });
        entry.conflicts.retain(|wanted| {
            let says = |fact: &Fact| {
                matches!(fact, Fact::Conflict { package, term, .. } if *package == label && *term == text(wanted))
            };
            facts.iter().any(says)
        });
        for provide in &mut entry.provides {
            provide.exclusive &= facts.iter().any(|fact| {
                matches!(fact, Fact::Role { role, packages } if *role == provide.target && packages.contains(&label))
            });
        }
    }
    scene.system.asked.retain(|want| facts.contains(&Fact::Kept(want.clone())));
    scene.request.asks.retain(|ask| match ask {
        Ask::Install(want) | Ask::Downgrade(want) => facts.contains(&Fact::Asked(want.clone())),
        _ => true,
    });
    scene
}

/// A proof holds by its facts alone.
fn proof_holds(scene: &Scene) -> Checked {
    let universe = scene.universe();
    let result = solve(&universe, &scene.system, &scene.request, &Limits::default());
    let Err(SolveError::Refused(refusal)) = result else { return Ok(()) };
    let reduced = only(scene, &refusal.proof.facts);
    if let Some(answers) = Brute::new(&reduced).answers() {
        prop_assert!(answers.is_empty(), "{refusal}\nbut {:?}", names(&answers[0]));
    }
    Ok(())
}

/// The scene with the way out taken.
fn taken(scene: &Scene, way_out: &WayOut) -> Scene {
    let mut scene = scene.clone();
    let asks = &mut scene.request.asks;
    match way_out {
        WayOut::Remove { name, .. } => asks.push(Ask::Remove(name.clone())),
        WayOut::Spare(name) => asks.retain(|ask| *ask != Ask::Remove(name.clone())),
        WayOut::Unhold(name) => scene.system.holds.retain(|held| held != name),
        WayOut::Without(want) => asks.retain(|ask| {
            *ask != Ask::Install(want.clone()) && *ask != Ask::Downgrade(want.clone())
        }),
        WayOut::Downgrade(want) => {
            asks.retain(|ask| !matches!(ask, Ask::Install(w) if w.term.target == want.term.target));
            asks.push(Ask::Downgrade(want.clone()));
        }
        WayOut::Instead { asked, instead } => {
            asks.retain(|ask| {
                *ask != Ask::Install(asked.clone()) && *ask != Ask::Downgrade(asked.clone())
            });
            asks.push(Ask::Install(instead.clone()));
        }
        WayOut::Unpin(pins) => scene.system.pins.retain(|pin| !pins.contains(pin)),
        WayOut::From { .. } => unreachable!("the scenes have one repository"),
    }
    scene
}

fn way_out_works(scene: &Scene) -> Checked {
    let universe = scene.universe();
    let result = solve(&universe, &scene.system, &scene.request, &Limits::default());
    let Err(SolveError::Refused(refusal)) = result else { return Ok(()) };
    let Some(way_out) = &refusal.way_out else { return Ok(()) };
    let after = taken(scene, way_out);
    if let Some(answers) = Brute::new(&after).answers() {
        prop_assert!(!answers.is_empty(), "{refusal}");
    }
    Ok(())
}

/// How many universes are tried; more with `MINOS_CASES`.
fn cases() -> ProptestConfig {
    let cases =
        std::env::var("MINOS_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2000);
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_solver_answers_where_brute_force_does(scene in scene()) {
        checked(&scene)?;
    }

    #[test]
    fn proofs_hold_by_their_facts_alone(scene in scene()) {
        proof_holds(&scene)?;
    }

    #[test]
    fn ways_out_work(scene in scene()) {
        way_out_works(&scene)?;
    }

    #[test]
    fn one_request_has_one_answer(scene in scene()) {
        let universe = scene.universe();
        let text = || match solve(&universe, &scene.system, &scene.request, &Limits::default()) {
            Ok(answer) => answer.describe(&universe),
            Err(error) => error.to_string(),
        };
        let first = text();
        for _ in 0..3 {
            prop_assert_eq!(&text(), &first);
        }
    }
}

/// The scenes drawn are worth drawing: many are refused, many need search, many change something.
#[test]
fn scenes_are_of_all_kinds() {
    use proptest::strategy::{Strategy, ValueTree};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut refused, mut searched, mut changed) = (0, 0, BTreeSet::new());
    for _ in 0..600 {
        let scene = scene().new_tree(&mut runner).expect("a scene").current();
        let universe = scene.universe();
        match solve(&universe, &scene.system, &scene.request, &Limits::default()) {
            Ok(answer) => {
                searched += u32::from(answer.effort.searches > 0);
                let text = answer.describe(&universe);
                changed.extend(text.lines().filter_map(|l| l.split(' ').next()).map(str::to_owned));
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 60 && searched > 30, "{refused} refused, {searched} with search");
    let wanted = ["downgrade", "install", "remove", "replace", "upgrade"];
    assert_eq!(changed.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
}
