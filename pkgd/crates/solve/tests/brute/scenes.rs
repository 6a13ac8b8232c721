//! Small universes, systems and requests, drawn by lot.

use minos_solve::index::Entry;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop};

use crate::model::is_content;
use crate::support::Scene;

pub const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
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
    vec((0_u8..9, 0..NAMES.len()), 1..4)
}

/// A universe, a system that is content in itself, and a request.
pub fn scene() -> impl Strategy<Value = Scene> {
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
        8 => format!("pin {name}<2"),
        _ => return,
    };
    assert!(scene.line(&line));
}
