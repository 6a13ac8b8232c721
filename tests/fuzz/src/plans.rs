//! What the solver and the store read back: the index of packages, and plans.

use std::sync::Arc;

use minos_solve::index::{Package, Repository, Table, build};
use minos_solve::{Ask, Limits, Request, SolveError, System, Universe, Want, solve};
use minos_store::Plan;

/// The file of a plan.
pub fn plan(bytes: &[u8]) -> bool {
    let Ok(plan) = Plan::decode(bytes) else { return false };
    assert_eq!(plan.encode().expect("it was read"), bytes);
    true
}

/// The index of packages: read as a whole, then packages of it are asked for.
pub fn index(bytes: &[u8]) -> bool {
    let Ok(table) = Table::parse(bytes.to_vec()) else { return false };
    assert_eq!(table.bytes(), bytes);
    read(&table);
    let here = [Repository { name: "installed".to_owned(), priority: 0 }];
    let nothing = build(&here, Vec::new()).expect("an index of nothing");
    let nothing = Table::parse(nothing).expect("an index of nothing");
    let universe = Universe::new(Arc::new(table), nothing);
    let base = universe.base();
    let names: Vec<&str> = (0..base.len()).map(|n| base.symbol(base.name(Package(n)))).collect();
    for name in names.iter().take(4) {
        ask(&universe, name);
    }
    true
}

/// An answer has passed the checker, a refusal has its words, and an index that lies gives neither a wrong answer nor
/// an endless search.
fn ask(universe: &Universe, name: &str) {
    let request = Request { asks: vec![Ask::Install(Want::any(name))] };
    let limits = Limits { steps: 2_000, explain: 1_000, refinements: 4, cancel: None };
    match solve(universe, &System::default(), &request, &limits) {
        Ok(answer) => {
            let wrong =
                minos_solve::check::check(universe, &System::default(), &request, &answer.packages);
            assert_eq!(wrong, [], "{name:?}");
        }
        // What an index lists as meeting a term is not what its versions say: thrown away, as it should be.
        Err(SolveError::Wrong(violations)) => assert!(!violations.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Everything a table can be asked.
fn read(table: &Table) {
    let mut seen = 0_usize;
    for symbol in 0..table.symbols() {
        assert_eq!(table.find_symbol(table.symbol(symbol)), Some(symbol));
        seen += table.named(symbol).len()
            + table.answering(symbol).count()
            + table.dependants(symbol).count();
    }
    for number in 0..table.repositories() {
        seen += table.repository_view(number).0.len();
    }
    for package in (0..table.len()).map(Package) {
        seen += table.description(package).len()
            + table.arch(package).len()
            + table.digest(package).len();
        let groups = table.groups(package).flat_map(|(_, _, needs)| needs);
        for need in table.needs(package).chain(groups) {
            assert!(table.alternatives(need).len() > 0);
            for term in table.alternatives(need).chain(table.condition(need)) {
                assert!(table.matches(term).all(|p| p.0 < table.len()));
                seen += table.symbol(table.term(term).0).len();
            }
        }
        seen += table.provides(package).map(|p| p.target.len()).sum::<usize>();
        seen += table.conflicts(package).chain(table.replaces(package)).count();
    }
    assert!(seen < usize::MAX);
}
