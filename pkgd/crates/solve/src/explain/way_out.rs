//! A way out: small changes of the request that the facts of the proof suggest, tried one after the other.

use minos_model::Constraint;

use super::{Fact, Proof, WayOut, Why, asks_for};
use crate::answer::Answer;
use crate::budget::Limits;
use crate::index::Term;
use crate::request::{Ask, Pin, Request, System, Want};
use crate::solve::attempt;
use crate::universe::Universe;

/// How many changes are tried.
const TRIES: usize = 6;

/// The first change that works.
pub fn find(
    universe: &Universe,
    system: &System,
    request: &Request,
    proof: &Proof,
    limits: &Limits<'_>,
) -> Option<WayOut> {
    // Each try gets a part of the steps of one solve, so that all together take not much longer.
    let limits = Limits { steps: limits.steps / 4, refinements: 0, ..*limits };
    let changes = proof.facts.iter().filter_map(|fact| change(universe, fact, system, request));
    let mut sorted: Vec<(u32, WayOut)> = changes.collect();
    sorted.sort_by_key(|(rank, _)| *rank);
    sorted.dedup();
    let mut tries = sorted.into_iter().take(TRIES).map(|(_, way_out)| way_out);
    tries.find_map(|way_out| {
        let (system, request) = apply(&way_out, system, request);
        let answer = attempt(universe, &system, &request, &limits).ok()??;
        Some(refined(way_out, universe, &answer))
    })
}

/// What a fact suggests, and how much it takes from the user: the smaller the better.
fn change(
    universe: &Universe,
    fact: &Fact,
    system: &System,
    request: &Request,
) -> Option<(u32, WayOut)> {
    Some(match fact {
        Fact::Excluded { name, version, why } => match why {
            Why::Downgrade(_) => {
                let constraint = format!("={version}").parse().ok()?;
                let term = Term { target: name.clone(), constraint };
                (0, WayOut::Downgrade(Want { term, groups: Vec::new() }))
            }
            Why::Held(_) => (1, WayOut::Unhold(name.clone())),
            Why::Pinned(_) => {
                let pins = system.pins.iter().filter(|pin| pin.name == *name);
                (1, WayOut::Unpin(pins.cloned().collect()))
            }
            Why::Repository(_) => {
                let all = universe.named(name).into_iter();
                let mut same = all.filter(|p| universe.version_text(*p) == version);
                let (repository, _) = same.find_map(|p| universe.repository(p))?;
                (1, WayOut::From { name: name.clone(), repository: repository.to_owned() })
            }
            Why::Removed => (5, WayOut::Spare(name.clone())),
        },
        Fact::Held { package } => {
            (1, WayOut::Unhold(package.split(' ').next().unwrap_or_default().to_owned()))
        }
        Fact::Asked(want) if !want.term.constraint.is_any() || !want.groups.is_empty() => {
            let instead = Want::any(&want.term.target);
            (2, WayOut::Instead { asked: want.clone(), instead })
        }
        Fact::Asked(want) if request.asks.len() > 1 && asks_for(request, want) => {
            (4, WayOut::Without(want.clone()))
        }
        Fact::Kept(want) => {
            let (name, beside) = (want.term.target.clone(), only_removed(request));
            (3, WayOut::Remove { name, beside })
        }
        _ => return None,
    })
}

/// What a request removes that does nothing else.
fn only_removed(request: &Request) -> Vec<String> {
    let name = |ask: &Ask| match ask {
        Ask::Remove(name) => Some(name.clone()),
        _ => None,
    };
    request.asks.iter().map(name).collect::<Option<_>>().unwrap_or_default()
}

/// The system and the request with this change.
fn apply(way_out: &WayOut, system: &System, request: &Request) -> (System, Request) {
    let (mut system, mut request) = (system.clone(), request.clone());
    let is_want = |ask: &Ask, wanted: &Want| matches!(ask, Ask::Install(want) | Ask::Downgrade(want) if want == wanted);
    match way_out {
        WayOut::Remove { name, .. } => request.asks.push(Ask::Remove(name.clone())),
        WayOut::Unhold(name) => system.holds.retain(|held| held != name),
        WayOut::Unpin(pins) => system.pins.retain(|pin| !pins.contains(pin)),
        WayOut::Downgrade(want) => {
            let same =
                |ask: &Ask| matches!(ask, Ask::Install(w) if w.term.target == want.term.target);
            request.asks.retain(|ask| !same(ask));
            request.asks.push(Ask::Downgrade(want.clone()));
        }
        WayOut::Instead { asked, instead } => {
            for ask in request.asks.iter_mut().filter(|ask| is_want(ask, asked)) {
                *ask = Ask::Install(instead.clone());
            }
        }
        WayOut::Without(want) => request.asks.retain(|ask| !is_want(ask, want)),
        WayOut::Spare(name) => request.asks.retain(|ask| *ask != Ask::Remove(name.clone())),
        WayOut::From { name, repository } => system.pins.push(Pin {
            name: name.clone(),
            constraint: Constraint::ANY,
            repository: Some(repository.clone()),
        }),
    }
    (system, request)
}

/// With the version that was found, where the way out is another version.
fn refined(way_out: WayOut, universe: &Universe, answer: &Answer) -> WayOut {
    let WayOut::Instead { asked, instead } = way_out else { return way_out };
    let named = |p: &&crate::PackageId| universe.name(**p) == instead.term.target;
    let version = answer.packages.iter().find(named).and_then(|p| universe.version(*p));
    let constraint = version.map_or(Constraint::ANY, |version| Constraint::exactly(&version));
    WayOut::Instead {
        asked,
        instead: Want { term: Term { constraint, ..instead.term }, ..instead },
    }
}
