//! The order in which services are put into a plan: each behind those it waits for.

use std::collections::{BTreeMap, BTreeSet};

/// The names in an order in which none stands before one it waits for; by name where that leaves a choice.
/// `after` has the names that each waits for, all of which it has as well.
///
/// # Errors
/// A cycle: names each of which waits for the next, the first again at the end.
pub fn order(after: &BTreeMap<&str, Vec<&str>>) -> Result<Vec<String>, Vec<String>> {
    let mut left: BTreeSet<&str> = after.keys().copied().collect();
    let mut sorted = Vec::with_capacity(left.len());
    while let Some(name) =
        left.iter().copied().find(|name| first_left(after, &left, name).is_none())
    {
        left.remove(name);
        sorted.push(name.to_owned());
    }
    match left.first() {
        None => Ok(sorted),
        Some(start) => Err(cycle(after, &left, start)),
    }
}

/// The first that `name` waits for among those that are left.
fn first_left<'a>(
    after: &BTreeMap<&str, Vec<&'a str>>,
    left: &BTreeSet<&str>,
    name: &str,
) -> Option<&'a str> {
    after.get(name)?.iter().copied().find(|other| left.contains(other))
}

/// Everything that is left waits for something that is left: going on from anywhere ends in a cycle.
fn cycle(after: &BTreeMap<&str, Vec<&str>>, left: &BTreeSet<&str>, start: &str) -> Vec<String> {
    let mut way = vec![start.to_owned()];
    let mut at = start;
    while let Some(next) = first_left(after, left, at) {
        let seen = way.iter().position(|name| name == next);
        way.push(next.to_owned());
        if let Some(seen) = seen {
            return way.split_off(seen);
        }
        at = next;
    }
    way
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::order;

    fn ordered(list: &[(&'static str, &[&'static str])]) -> Result<Vec<String>, Vec<String>> {
        let after: BTreeMap<&str, Vec<&str>> =
            list.iter().map(|(name, after)| (*name, after.to_vec())).collect();
        order(&after)
    }

    #[test]
    fn each_comes_behind_what_it_waits_for_and_else_by_name() {
        let sorted = ordered(&[
            ("a", &["net"]),
            ("b", &[]),
            ("net", &["udev"]),
            ("udev", &[]),
            ("c", &["a"]),
        ]);
        assert_eq!(sorted.unwrap(), ["b", "udev", "net", "a", "c"]);
        assert_eq!(ordered(&[]).unwrap(), [""; 0]);
    }

    #[test]
    fn a_cycle_is_told_without_those_who_only_wait_for_it() {
        let cycle = ordered(&[("a", &["b"]), ("b", &["d", "c"]), ("c", &["b"]), ("d", &[])]);
        assert_eq!(cycle.unwrap_err(), ["b", "c", "b"]);
        assert_eq!(ordered(&[("a", &["a"])]).unwrap_err(), ["a", "a"]);
    }

    /// All 4,096 ways in which four services can wait for each other: either an order that holds, or a cycle that is one.
    #[test]
    fn there_is_an_order_or_a_cycle() {
        const NAMES: [&str; 4] = ["a", "b", "c", "d"];
        for bits in 0..4096_u32 {
            let edge = |from: usize, to: usize| {
                let slot = from * 3 + if to > from { to - 1 } else { to };
                from != to && bits >> slot & 1 == 1
            };
            let waits =
                |from: usize| (0..4).filter(|to| edge(from, *to)).map(|to| NAMES[to]).collect();
            let after: BTreeMap<&str, Vec<&str>> = (0..4).map(|n| (NAMES[n], waits(n))).collect();
            match order(&after) {
                Ok(sorted) => {
                    assert_eq!(sorted.len(), 4);
                    let place = |name: &str| sorted.iter().position(|n| n == name).unwrap();
                    for (name, others) in &after {
                        assert!(others.iter().all(|other| place(other) < place(name)), "{bits}");
                    }
                }
                Err(cycle) => {
                    assert!(cycle.len() > 2 && cycle.first() == cycle.last(), "{bits}: {cycle:?}");
                    let steps = cycle.windows(2);
                    steps.for_each(|w| assert!(after[w[0].as_str()].contains(&w[1].as_str())));
                }
            }
        }
    }
}
