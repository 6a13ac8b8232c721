//! The solver against brute force: every subset of small universes, tried one by one.
//!
//! Brute force knows nothing of the index or of search. It reads the entries as they were written and says which sets
//! of packages are answers; the solver must find one exactly where there is one, and none with less change may be
//! among them.

mod support;

use std::collections::BTreeSet;

use minos_model::Version;
use minos_solve::index::{Entry, Need, Term};
use minos_solve::{Ask, Limits, SolveError, solve};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, proptest};
use proptest::{prop_assert, prop_assert_eq};
use support::Scene;

/// At most this many sets are looked at in one case.
const SETS: usize = 1 << 16;

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const TERMS: [&str; 14] =
    ["a", "b", "c", "d", "e", "f", "g", "a>=2", "b<2", "c=2", "d>=2", "e!=1", "cap:x", "cap:y>=2"];
const PROVIDES: [&str; 5] = ["x", "y=1", "y=2", "role:r", "role:s"];

fn pick(list: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(list).prop_map(str::to_owned)
}

fn need() -> impl Strategy<Value = String> {
    (vec(pick(&TERMS), 1..3), prop::option::weighted(0.2, pick(&TERMS))).prop_map(|(any, when)| {
        let when = when.map(|w| format!(" if {w}")).unwrap_or_default();
        format!("{}{when}", any.join(" | "))
    })
}

/// The clauses of one package.
fn clauses() -> impl Strategy<Value = String> {
    let list = |word: &'static str, items: Vec<String>| {
        if items.is_empty() { None } else { Some(format!("{word} {}", items.join(", "))) }
    };
    (
        vec(need(), 0..3),
        vec(pick(&PROVIDES), 0..2),
        prop::option::weighted(0.3, pick(&TERMS)),
        prop::option::weighted(0.15, pick(&TERMS[..12])),
    )
        .prop_map(move |(needs, provides, conflicts, replaces)| {
            let parts = [
                list("needs", needs),
                list("provides", provides),
                conflicts.map(|c| format!("conflicts {c}")),
                replaces.map(|r| format!("replaces {r}")),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
        })
}

/// What is asked.
fn asks() -> impl Strategy<Value = Vec<(u8, usize)>> {
    vec((0_u8..8, 0..NAMES.len()), 1..3)
}

fn scene() -> impl Strategy<Value = Scene> {
    (
        2..NAMES.len(),
        vec(vec(clauses(), 1..4), 8),
        vec((any::<bool>(), 0_usize..3, any::<bool>()), 8),
        asks(),
    )
        .prop_map(|(names, versions, installed, asks)| {
            let mut scene = Scene::default();
            for (name, versions) in NAMES.iter().zip(&versions).take(names) {
                for (number, clauses) in (1..).zip(versions) {
                    let colon = if clauses.is_empty() { "" } else { ": " };
                    assert!(scene.line(&format!("pkg {name} {number}{colon}{clauses}")));
                }
            }
            install(&mut scene, &installed, names);
            for (kind, at) in asks {
                ask(&mut scene, kind, NAMES[at % names]);
            }
            scene
        })
}

/// Installs what of `wish` can be installed together.
fn install(scene: &mut Scene, wish: &[(bool, usize, bool)], names: usize) {
    let mut chosen: Vec<usize> = Vec::new();
    let mut asked = Vec::new();
    for (name, (wanted, version, by_name)) in NAMES.iter().zip(wish).take(names) {
        let all: Vec<usize> =
            (0..scene.packages.len()).filter(|i| scene.packages[*i].name == **name).collect();
        if *wanted {
            chosen.push(all[version % all.len()]);
            asked.extend(by_name.then_some(*name));
        }
    }
    // Packages that are not content are taken out until all are.
    loop {
        let set: Vec<&Entry> = chosen.iter().map(|i| &scene.packages[*i]).collect();
        let bad = (0..chosen.len()).rev().find(|i| !is_content(set[*i], &set));
        let Some(bad) = bad else { break };
        chosen.remove(bad);
    }
    for index in chosen {
        let (name, version) =
            (scene.packages[index].name.clone(), scene.packages[index].version.to_string());
        let word = if asked.contains(&name.as_str()) { "want" } else { "have" };
        assert!(scene.line(&format!("{word} {name} {version}")));
    }
}

fn ask(scene: &mut Scene, kind: u8, name: &str) {
    let is_installed = scene.installed.iter().any(|(n, _)| n == name);
    let line = match kind {
        0 | 1 => format!("install {name}"),
        2 => format!("install {name}>=2"),
        3 => format!("downgrade {name}<2"),
        4 if is_installed => format!("remove {name}"),
        5 if is_installed => format!("update {name}"),
        6 if is_installed => format!("hold {name}"),
        7 => "upgrade".to_owned(),
        _ => return,
    };
    assert!(scene.line(&line));
}

fn accepts(term: &Term, version: Option<&Version>) -> bool {
    term.constraint.is_any() || version.is_some_and(|v| term.constraint.matches(v))
}

fn meets(entry: &Entry, term: &Term) -> bool {
    let named = entry.name == term.target && accepts(term, Some(&entry.version));
    let mut provides = entry.provides.iter();
    named || provides.any(|p| p.target == term.target && accepts(term, p.version.as_ref()))
}

fn met(need: &Need, set: &[&Entry]) -> bool {
    let any = |term: &Term| set.iter().any(|e| meets(e, term));
    need.when.as_ref().is_some_and(|when| !any(when)) || need.any.iter().any(any)
}

/// Whether the package can stand in the set.
fn is_content(entry: &Entry, set: &[&Entry]) -> bool {
    let others = || set.iter().filter(|o| o.name != entry.name);
    let conflict = |term: &Term| others().any(|o| meets(o, term));
    let replaced =
        |term: &Term| others().any(|o| o.name == term.target && accepts(term, Some(&o.version)));
    let twice = set.iter().filter(|o| o.name == entry.name).count() > 1;
    let role = entry.provides.iter().filter(|p| p.exclusive).any(|role| {
        others().any(|o| o.provides.iter().any(|p| p.exclusive && p.target == role.target))
    });
    entry.needs.iter().all(|need| met(need, set))
        && !entry.conflicts.iter().any(conflict)
        && !entry.replaces.iter().any(replaced)
        && !twice
        && !role
}

struct Brute<'s> {
    scene: &'s Scene,
    installed: Vec<&'s Entry>,
}

impl<'s> Brute<'s> {
    fn new(scene: &'s Scene) -> Self {
        let is = |e: &&Entry| {
            scene.installed.iter().any(|(n, v)| *n == e.name && *v == e.version.to_string())
        };
        Self { scene, installed: scene.packages.iter().filter(is).collect() }
    }

    fn current(&self, name: &str) -> Option<&'s Entry> {
        self.installed.iter().find(|e| e.name == name).copied()
    }

    fn asks(&self, wanted: impl Fn(&Ask) -> bool) -> bool {
        self.scene.request.asks.iter().any(wanted)
    }

    /// Whether this package may be taken at all.
    fn may(&self, entry: &Entry) -> bool {
        let Some(old) = self.current(&entry.name) else { return true };
        let held = self.scene.system.holds.contains(&entry.name) && *old != *entry;
        let lower = entry.version < old.version
            && !self.asks(|a| matches!(a, Ask::Downgrade(w) if w.term.target == entry.name));
        !held && !lower
    }

    /// Whether the set is an answer.
    fn is_answer(&self, set: &[&Entry]) -> bool {
        let system = &self.scene.system;
        let removed: Vec<&String> = self
            .scene
            .request
            .asks
            .iter()
            .filter_map(|a| match a {
                Ask::Remove(name) => Some(name),
                _ => None,
            })
            .collect();
        let mut wants: Vec<&minos_solve::Want> = Vec::new();
        for ask in &self.scene.request.asks {
            if let Ask::Install(want) | Ask::Downgrade(want) = ask {
                wants.push(want);
            }
        }
        let renewed: BTreeSet<&String> = wants.iter().map(|w| &w.term.target).collect();
        let old = system.asked.iter();
        wants.extend(
            old.filter(|w| !renewed.contains(&w.term.target) && !removed.contains(&&w.term.target)),
        );
        let held = system.holds.iter().filter_map(|name| self.current(name));
        set.iter().all(|e| self.may(e) && is_content(e, set) && !removed.contains(&&e.name))
            && wants.iter().all(|want| {
                set.iter().any(|e| meets(e, &want.term)) || self.replaced(&want.term.target, set)
            })
            && held.into_iter().all(|held| set.contains(&held))
    }

    fn replaced(&self, name: &str, set: &[&Entry]) -> bool {
        let Some(old) = self.current(name) else { return false };
        let by = |e: &&Entry| {
            e.replaces.iter().any(|t| t.target == name && accepts(t, Some(&old.version)))
        };
        set.iter().any(by)
    }

    /// All answers, or `None` if there are too many sets to look at.
    fn answers(&self) -> Option<Vec<Vec<&'s Entry>>> {
        let mut sets: Vec<Vec<&Entry>> = vec![Vec::new()];
        for name in NAMES {
            let versions: Vec<&Entry> =
                self.scene.packages.iter().filter(|e| e.name == name && self.may(e)).collect();
            let without = sets.clone();
            for version in versions {
                sets.extend(without.iter().map(|set| {
                    let mut set = set.clone();
                    set.push(version);
                    set
                }));
            }
            if sets.len() > SETS {
                return None;
            }
        }
        sets.retain(|set| self.is_answer(set));
        Some(sets)
    }

    /// The installed names that are kept in a set, or replaced by something in it.
    fn kept(&self, set: &[&Entry]) -> BTreeSet<&'s str> {
        let names = self.installed.iter().map(|e| e.name.as_str());
        let stays = |name: &&str| !self.asks(|a| matches!(a, Ask::Remove(gone) if gone == name));
        names
            .filter(stays)
            .filter(|n| set.iter().any(|e| e.name == *n) || self.replaced(n, set))
            .collect()
    }
}

fn checked(scene: &Scene) -> Result<(), proptest::test_runner::TestCaseError> {
    let brute = Brute::new(scene);
    let Some(answers) = brute.answers() else { return Ok(()) };
    let universe = scene.universe();
    let result = solve(&universe, &scene.system, &scene.request, &Limits::default());
    let answer = match result {
        Ok(answer) => answer,
        Err(SolveError::Refused(refusal)) => {
            prop_assert!(answers.is_empty(), "refused: {refusal}\nbut: {:?}", names(&answers[0]));
            prop_assert!(refusal.proof.complete, "no proof: {refusal}");
            return Ok(());
        }
        Err(error) => {
            prop_assert!(false, "{error}");
            return Ok(());
        }
    };
    prop_assert!(answer.minimal);
    let found: Vec<&Entry> = answer
        .packages
        .iter()
        .map(|p| {
            let is = |e: &&Entry| {
                e.name == universe.name(*p) && e.version.to_string() == universe.version_text(*p)
            };
            scene.packages.iter().find(is).expect("of the scene")
        })
        .collect();
    prop_assert!(brute.is_answer(&found), "not an answer: {:?}", names(&found));
    // No answer keeps more of what is installed.
    let kept = brute.kept(&found);
    for other in &answers {
        let more = brute.kept(other);
        prop_assert!(
            !(kept.is_subset(&more) && kept != more),
            "{:?} keeps {kept:?}, {:?} keeps {more:?}",
            names(&found),
            names(other)
        );
    }
    // Nothing installed changes where nothing of it has to.
    let changes_nothing = |set: &&Vec<&Entry>| brute.installed.iter().all(|e| set.contains(e));
    let updates = brute.asks(|a| matches!(a, Ask::Update(_) | Ask::Upgrade));
    let newest_asked = |set: &&Vec<&Entry>| {
        // Only where what is asked can be had in its best version without a change.
        scene.request.asks.iter().all(|ask| match ask {
            Ask::Install(w) | Ask::Downgrade(w) => {
                brute.current(&w.term.target).is_some_and(|e| meets(e, &w.term)) || {
                    let best = scene
                        .packages
                        .iter()
                        .filter(|e| e.name == w.term.target && meets(e, &w.term) && brute.may(e))
                        .max_by(|a, b| a.version.cmp(&b.version));
                    best.is_some_and(|best| set.contains(&best))
                }
            }
            _ => true,
        })
    };
    if !updates && answers.iter().filter(changes_nothing).any(|set| newest_asked(&set)) {
        prop_assert!(
            brute.installed.iter().all(|e| found.contains(e)),
            "{:?} changes something",
            names(&found)
        );
    }
    // Everything goes to the newest where all of it can at once.
    if brute.asks(|a| *a == Ask::Upgrade) {
        check_newest(scene, &brute, &answers, &found)?;
    }
    Ok(())
}

fn check_newest(
    scene: &Scene,
    brute: &Brute<'_>,
    answers: &[Vec<&Entry>],
    found: &[&Entry],
) -> Result<(), proptest::test_runner::TestCaseError> {
    let any_replaces = scene.packages.iter().any(|e| !e.replaces.is_empty());
    let all_newest = |set: &[&Entry]| {
        brute.installed.iter().all(|old| {
            let best = scene.packages.iter().filter(|e| e.name == old.name && brute.may(e));
            let best = best.max_by(|a, b| a.version.cmp(&b.version));
            best.is_some_and(|best| set.contains(&best))
        })
    };
    let only_upgrade = scene.request.asks.iter().all(|a| *a == Ask::Upgrade);
    if !any_replaces && only_upgrade && answers.iter().any(|set| all_newest(set)) {
        prop_assert!(all_newest(found), "{:?} is not the newest", names(found));
    }
    Ok(())
}

fn names(set: &[&Entry]) -> Vec<String> {
    set.iter().map(|e| format!("{} {}", e.name, e.version)).collect()
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
