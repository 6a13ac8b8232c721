//! Universes made to be hard. What is asserted is steps, never time.

mod support;

use minos_solve::{Limits, SolveError, solve};
use support::Scene;

fn limits() -> Limits<'static> {
    Limits { steps: 20_000, explain: 20_000, ..Limits::default() }
}

fn run(scene: &Scene) -> Result<String, SolveError> {
    let universe = scene.universe();
    let answer = solve(&universe, &scene.system, &scene.request, &limits())?;
    assert!(answer.effort.steps <= 20_001, "{}", answer.effort);
    Ok(answer.describe(&universe))
}

fn add(scene: &mut Scene, line: String) {
    assert!(scene.line(&line), "{line}");
}

/// Many versions, each with needs of its own that lead nowhere, except the oldest. (dart-lang/pub#2089 is of this
/// kind.)
#[test]
fn many_versions_with_needs_of_their_own() {
    let mut scene = Scene::default();
    add(&mut scene, "pkg a 0".to_owned());
    for version in 1..300 {
        add(&mut scene, format!("pkg a {version}: needs own-{version}"));
        add(&mut scene, format!("pkg own-{version} 1: needs nowhere-{version}"));
    }
    add(&mut scene, "install a".to_owned());
    assert_eq!(run(&scene).unwrap(), "install a 0\n");
}

/// A chain of packages with many versions in which version n needs version n of the next, and the last has only the
/// oldest: the search has to go back over the whole chain.
#[test]
fn a_chain_that_fits_at_the_oldest_versions_only() {
    let mut scene = Scene::default();
    for link in 0..12 {
        for version in 1..12 {
            let next = link + 1;
            add(&mut scene, format!("pkg link{link} {version}: needs link{next}={version}"));
        }
    }
    add(&mut scene, "pkg link12 1".to_owned());
    add(&mut scene, "install link0".to_owned());
    let text = run(&scene).unwrap();
    assert!(text.ends_with("install link0 1\n"), "{text}");
    assert_eq!(text.lines().count(), 13);
}

/// Pigeons and holes: short to say, exponential to prove for any solver of this kind. Either it is refused with a
/// proof or given up; it ends.
#[test]
fn pigeons_and_holes_end() {
    let (pigeons, holes) = (9, 8);
    let mut scene = Scene::default();
    for pigeon in 0..pigeons {
        let places: Vec<String> = (0..holes).map(|hole| format!("p{pigeon}h{hole}")).collect();
        add(&mut scene, format!("pkg pigeon{pigeon} 1: needs {}", places.join(" | ")));
        for hole in 0..holes {
            add(&mut scene, format!("pkg p{pigeon}h{hole} 1: provides role:hole{hole}"));
        }
        add(&mut scene, format!("install pigeon{pigeon}"));
    }
    match run(&scene) {
        Ok(text) => panic!("nine pigeons in eight holes: {text}"),
        Err(SolveError::GaveUp { steps }) => assert!(steps <= 20_001, "{steps}"),
        Err(SolveError::Refused(refusal)) => {
            // A proof that was not found within the limits says so and names what was asked.
            assert!(
                refusal.proof.complete || refusal.to_string().contains("no short proof"),
                "{refusal}"
            );
        }
        Err(error) => panic!("{error}"),
    }
}

/// One fewer pigeon fits.
#[test]
fn pigeons_that_fit_are_found_holes() {
    let mut scene = Scene::default();
    for pigeon in 0..8 {
        let places: Vec<String> = (0..8).map(|hole| format!("p{pigeon}h{hole}")).collect();
        add(&mut scene, format!("pkg pigeon{pigeon} 1: needs {}", places.join(" | ")));
        for hole in 0..8 {
            add(&mut scene, format!("pkg p{pigeon}h{hole} 1: provides role:hole{hole}"));
        }
        add(&mut scene, format!("install pigeon{pigeon}"));
    }
    assert_eq!(run(&scene).unwrap().lines().count(), 16);
}

/// A thousand packages in one circle, and a chain of three thousand: no recursion that follows them.
#[test]
fn long_circles_and_chains() {
    let mut scene = Scene::default();
    for number in 0..1000 {
        let next = (number + 1) % 1000;
        add(&mut scene, format!("pkg circle{number} 1: needs circle{next}"));
    }
    for number in 0..3000 {
        add(&mut scene, format!("pkg chain{number} 1: needs chain{}", number + 1));
    }
    add(&mut scene, "pkg chain3000 1".to_owned());
    add(&mut scene, "install circle0 chain0".to_owned());
    let text = run(&scene).unwrap();
    assert_eq!(text.lines().count(), 4001);
    let at = |line: &str| text.lines().position(|l| l == line).expect(line);
    assert!(at("install chain3000 1") < at("install chain2999 1"));
    assert!(at("install chain1 1") < at("install chain0 1"));
}

/// The same chain with a broken end: the proof is the chain, told by its ends.
#[test]
fn a_long_chain_with_a_broken_end_is_refused() {
    let mut scene = Scene::default();
    for number in 0..3000 {
        add(&mut scene, format!("pkg chain{number} 1: needs chain{}", number + 1));
    }
    add(&mut scene, "install chain0".to_owned());
    match run(&scene) {
        Err(SolveError::Refused(refusal)) => {
            assert!(refusal.proof.facts.len() > 3000);
            let text = refusal.to_string();
            assert!(text.contains("chain0 is asked for"), "{text}");
            assert!(text.contains("no package is called chain3000"), "{text}");
            assert!(text.len() < 1000, "{text}");
        }
        other => panic!("{other:?}"),
    }
}

/// Without any steps nothing is claimed.
#[test]
fn no_steps_no_answer() {
    let mut scene = Scene::default();
    add(&mut scene, "pkg a 1: needs b".to_owned());
    add(&mut scene, "pkg b 1".to_owned());
    add(&mut scene, "install a".to_owned());
    let universe = scene.universe();
    let none = Limits { steps: 0, ..limits() };
    let result = solve(&universe, &scene.system, &scene.request, &none);
    assert!(matches!(result, Err(SolveError::GaveUp { .. })), "{result:?}");
}

/// Who has a clock can end the search.
#[test]
fn the_caller_can_cancel() {
    let mut scene = Scene { packages: minos_solve::synth::universe(0.02, 1), ..Scene::default() };
    add(&mut scene, "install meta-large".to_owned());
    let universe = scene.universe();
    let cancel = || true;
    let limits = Limits { cancel: Some(&cancel), ..Limits::default() };
    let result = solve(&universe, &scene.system, &scene.request, &limits);
    assert!(matches!(result, Err(SolveError::GaveUp { .. })), "{result:?}");
}
