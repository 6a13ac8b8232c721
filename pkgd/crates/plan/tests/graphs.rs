//! Any graph: order, queue and circles, over generated ones.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{id, recipe, set};
use minos_model::{Phase, Stage, StepId, TestLevel};
use minos_plan::{Estimates, Plan, PlanError, Queue, Weights};
use minos_recipe::{Recipe, RecipeSet};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

/// A graph without circles: step i may depend on those before it. Names are turned round, so that
/// the order of names is not the order of dependencies.
fn acyclic() -> impl Strategy<Value = Vec<Recipe>> {
    let step = (any::<u16>(), 0..4_u32, prop::collection::vec(any::<prop::sample::Index>(), 0..4));
    prop::collection::vec(step, 1..40).prop_map(|steps| {
        let count = steps.len();
        let name = |i: usize| format!("s{:03}", count - i);
        let make = |(i, (sbu, order, deps)): (usize, &(u16, u32, Vec<prop::sample::Index>))| {
            let deps: BTreeSet<usize> =
                deps.iter().filter(|_| i > 0).map(|dep| dep.index(i)).collect();
            let deps: Vec<String> = deps.into_iter().map(name).collect();
            let deps: Vec<&str> = deps.iter().map(String::as_str).collect();
            recipe(&name(i), *order, u32::from(*sbu), &deps)
        };
        steps.iter().enumerate().map(make).collect()
    })
}

fn all(set: &RecipeSet) -> Vec<StepId> {
    set.iter().map(|recipe| recipe.id.clone()).collect()
}

fn weights(plan: &Plan) -> Weights {
    Weights::new(plan, &Estimates::new(Default::default(), 1000), |_, ms| ms)
}

proptest! {
    #[test]
    fn order_respects_every_edge_and_is_the_same_each_time(recipes in acyclic()) {
        let set = set(recipes.clone());
        let plan = Plan::new(&set, &all(&set)).unwrap();
        prop_assert_eq!(plan.steps().len(), recipes.len());
        for recipe in &recipes {
            let at = plan.position(&recipe.id).unwrap();
            for dep in &recipe.build {
                prop_assert!(plan.position(dep).unwrap() < at);
            }
        }
        prop_assert_eq!(plan.edges().count(), recipes.iter().map(|r| r.build.len()).sum::<usize>());
        let mut wanted = all(&set);
        wanted.reverse();
        prop_assert_eq!(&Plan::new(&set, &wanted).unwrap(), &plan);
    }

    #[test]
    fn a_plan_holds_what_is_needed_and_nothing_else(recipes in acyclic()) {
        let last = recipes.last().unwrap().id.clone();
        let set = set(recipes);
        let plan = Plan::new(&set, std::slice::from_ref(&last)).unwrap();
        let needed = |at: usize| !plan.steps()[at].dependants.is_empty();
        for (at, step) in plan.steps().iter().enumerate() {
            prop_assert_eq!(step.wanted, step.id == last);
            prop_assert!(step.wanted || needed(at), "{} is in the plan for nothing", step.id);
        }
    }

    #[test]
    fn inputs_are_layered_alike_in_every_plan(recipes in acyclic()) {
        let set = set(recipes);
        let whole = Plan::new(&set, &all(&set)).unwrap();
        let layers = |plan: &Plan, step: &StepId| -> Vec<StepId> {
            let at = plan.position(step).unwrap();
            plan.steps()[at].inputs.iter().map(|i| plan.steps()[*i].id.clone()).collect()
        };
        for step in all(&set) {
            let part = Plan::new(&set, std::slice::from_ref(&step)).unwrap();
            prop_assert_eq!(layers(&part, &step), layers(&whole, &step));
        }
    }

    #[test]
    fn queue_visits_every_step_after_its_inputs(recipes in acyclic(), lanes in 1..4_usize) {
        let set = set(recipes);
        let plan = Arc::new(Plan::new(&set, &all(&set)).unwrap());
        let mut queue = Queue::new(Arc::clone(&plan), &weights(&plan));
        let (mut running, mut done) = (Vec::new(), BTreeSet::new());
        while !queue.is_finished() {
            while let Some(at) = (running.len() < lanes).then(|| queue.start()).flatten() {
                prop_assert!(plan.steps()[at].inputs.iter().all(|input| done.contains(input)));
                running.push(at);
            }
            let at = running.remove(0);
            queue.done(at);
            prop_assert!(done.insert(at));
        }
        prop_assert_eq!(done.len(), plan.steps().len());
    }

    #[test]
    fn a_failure_drops_its_dependants_and_nothing_else(
        recipes in acyclic(),
        which in any::<prop::sample::Index>(),
    ) {
        let set = set(recipes);
        let plan = Arc::new(Plan::new(&set, &all(&set)).unwrap());
        let bad = which.index(plan.steps().len());
        let mut below = BTreeSet::from([bad]);
        for (at, step) in plan.steps().iter().enumerate() {
            if step.inputs.iter().any(|input| below.contains(input)) {
                below.insert(at);
            }
        }
        let mut queue = Queue::new(Arc::clone(&plan), &weights(&plan));
        let (mut visited, mut dropped) = (BTreeSet::new(), Vec::new());
        while let Some(at) = queue.start() {
            visited.insert(at);
            if at == bad { dropped = queue.fail(at) } else { queue.done(at) }
        }
        prop_assert!(queue.is_finished());
        below.remove(&bad);
        prop_assert_eq!(&dropped.into_iter().collect::<BTreeSet<_>>(), &below);
        prop_assert!(visited.is_disjoint(&below));
        prop_assert_eq!(visited.len() + below.len(), plan.steps().len());
    }

    #[test]
    fn critical_path_is_a_path_and_bounds_the_time(recipes in acyclic()) {
        let set = set(recipes);
        let plan = Arc::new(Plan::new(&set, &all(&set)).unwrap());
        let weights = weights(&plan);
        let path = weights.critical();
        prop_assert!(path.windows(2).all(|w| plan.steps()[w[0]].dependants.contains(&w[1])));
        let sum: u64 = path.iter().map(|at| weights.expected_ms(*at)).sum();
        prop_assert_eq!(sum, weights.critical_ms());
        let total: u64 = (0..plan.steps().len()).map(|at| weights.expected_ms(at)).sum();
        prop_assert_eq!(weights.wall_ms(&plan, 1), total);
        prop_assert_eq!(weights.wall_ms(&plan, plan.steps().len()), weights.critical_ms());
        let two = weights.wall_ms(&plan, 2);
        prop_assert!(weights.critical_ms().max(total / 2) <= two && two <= total);
    }

    #[test]
    fn an_edge_backwards_is_always_a_reported_circle(
        mut recipes in acyclic(),
        from in any::<prop::sample::Index>(),
    ) {
        // the last step comes to depend on itself through the steps of a chain
        let first = from.index(recipes.len());
        for i in first..recipes.len() {
            let before = if i == first { recipes.len() - 1 } else { i - 1 };
            let dep = recipes[before].id.clone();
            if !recipes[i].build.contains(&dep) {
                recipes[i].build.push(dep);
            }
        }
        let set = set(recipes);
        let Err(PlanError::Cycles(cycles)) = Plan::new(&set, &all(&set)) else {
            panic!("no circle was reported");
        };
        prop_assert!(!cycles.is_empty());
        for cycle in cycles {
            let next = cycle.iter().cycle().skip(1);
            for (step, dep) in cycle.iter().zip(next) {
                prop_assert!(set.get(step).unwrap().build.contains(dep), "{step} -> {dep}");
            }
            prop_assert_eq!(cycle.iter().min(), cycle.first());
        }
    }
}

#[test]
fn longest_remaining_path_goes_first() {
    let set = set(vec![
        recipe("first-in-book", 1, 50, &[]),
        recipe("long", 2, 10, &[]),
        recipe("behind-long", 3, 100, &["long"]),
        recipe("twin-b", 9, 5, &[]),
        recipe("twin-a", 9, 5, &[]),
    ]);
    let plan = Arc::new(Plan::new(&set, &all(&set)).unwrap());
    let mut queue = Queue::new(Arc::clone(&plan), &weights(&plan));
    let mut order = Vec::new();
    while let Some(at) = queue.start() {
        order.push(plan.steps()[at].id.to_string());
        queue.done(at);
    }
    assert_eq!(order, ["long", "behind-long", "first-in-book", "twin-a", "twin-b"]);
}

/// What only a test suite needs is waited for where the suite is run, and is not what the step is built of.
#[test]
fn what_a_suite_needs_comes_first_and_is_no_input() {
    let mut gcc = recipe("gcc", 1, 1, &["binutils"]);
    let script =
        minos_recipe::Script { file: "check.sh".to_owned(), text: "make check\n".to_owned() };
    gcc.scripts.insert(Phase::Check, script);
    gcc.check.build = vec![id("binutils"), id("dejagnu")];
    let rest = [
        recipe("binutils", 2, 1, &[]),
        recipe("dejagnu", 3, 1, &["tcl"]),
        recipe("tcl", 4, 1, &[]),
    ];
    let set = set([vec![gcc], rest.to_vec()].concat());
    let plan = |tests| Arc::new(Plan::tested(&set, "gcc", tests).unwrap());
    let names = |plan: &Plan| -> Vec<String> {
        plan.steps().iter().map(|step| step.id.to_string()).collect()
    };
    assert_eq!(names(&plan(TestLevel::Critical)), ["binutils", "gcc"], "it is not critical");
    let all = plan(TestLevel::All);
    assert_eq!(names(&all), ["binutils", "tcl", "dejagnu", "gcc"]);
    let gcc = all.steps().last().unwrap();
    assert_eq!((gcc.inputs.as_slice(), gcc.check_inputs.as_slice()), (&[0][..], &[2][..]));
    assert!(!all.steps()[2].wanted);
    let mut queue = Queue::new(Arc::clone(&all), &weights(&all));
    let order: Vec<usize> =
        std::iter::from_fn(|| queue.start().inspect(|at| queue.done(*at))).collect();
    assert_eq!(order.len(), 4);
    assert_eq!(order.last(), Some(&3), "gcc is offered when dejagnu is there");
}

#[test]
fn calls_out_of_turn_change_nothing() {
    let set = set(vec![recipe("a", 1, 1, &[]), recipe("b", 2, 1, &["a"])]);
    let plan = Arc::new(Plan::new(&set, &all(&set)).unwrap());
    let mut queue = Queue::new(Arc::clone(&plan), &weights(&plan));
    queue.done(1);
    assert_eq!(queue.fail(0), [], "a was not started yet");
    assert_eq!(queue.open(), 2);
    assert_eq!(queue.start(), Some(0));
    assert_eq!(queue.start(), None);
    queue.done(0);
    queue.done(0);
    queue.done(7);
    assert_eq!((queue.start(), queue.open()), (Some(1), 1));
}

#[test]
fn circles_are_reported_whole_and_by_name() {
    let set = set(vec![
        recipe("top", 1, 1, &["gcc"]),
        recipe("gcc", 2, 1, &["glibc"]),
        recipe("glibc", 3, 1, &["binutils"]),
        recipe("binutils", 4, 1, &["gcc"]),
        recipe("other", 5, 1, &[]),
        recipe("self", 6, 1, &["self"]),
    ]);
    let text = Plan::for_target(&set, "top").unwrap_err().to_string();
    assert!(text.contains("binutils -> gcc -> glibc -> binutils;"), "{text}");
    assert!(!text.contains("self"), "a circle outside the plan: {text}");
    assert!(Plan::for_target(&set, "other").is_ok());
    let text = Plan::for_target(&set, "self").unwrap_err().to_string();
    assert!(text.contains("self -> self"), "{text}");
}

#[test]
fn a_missing_dependency_names_who_needs_it_and_what_was_meant() {
    let set =
        set(vec![recipe("binutils:pass1", 1, 1, &[]), recipe("gcc", 2, 1, &["binutls:pass1"])]);
    let text = Plan::for_target(&set, "gcc").unwrap_err().to_string();
    assert!(text.starts_with("gcc needs 'binutls:pass1', and no recipe provides it"), "{text}");
    assert!(text.ends_with("did you mean 'binutils:pass1'?"), "{text}");
    let text = Plan::new(&set, &[id("nothing-like-it")]).unwrap_err().to_string();
    assert!(text.starts_with("no recipe provides 'nothing-like-it'"), "{text}");
    let text = Plan::for_target(&set, "demo/gccc").unwrap_err().to_string();
    assert!(text.contains("did you mean 'demo/gcc'?"), "{text}");
}

#[test]
fn times_come_from_history_then_from_the_book() {
    let set = set(vec![
        recipe("a", 1, 100, &[]),
        recipe("b", 2, 300, &["a"]),
        recipe("c", 3, 50, &["b"]),
        recipe("skeleton", 4, 0, &[]),
    ]);
    let plan = Arc::new(Plan::new(&set, &all(&set)).unwrap());
    let times = |estimates: &Estimates| -> Vec<u64> {
        plan.steps().iter().map(|step| estimates.expected_ms(step)).collect()
    };
    assert_eq!(times(&Estimates::default()), [0, 0, 0, 0], "nothing known");
    let history = [(id("a"), 2000), (id("b"), 4000), (id("skeleton"), 7)].into();
    let known = Estimates::new(history, 900).calibrated(&plan);
    assert_eq!(known.sbu_ms(), 1500, "6000 ms over 4 units; skeleton has none");
    assert_eq!(times(&known), [2000, 4000, 750, 7]);
    let weights = Weights::new(&plan, &known, |at, ms| if at == 1 { 0 } else { ms });
    assert_eq!((weights.expected_ms(1), weights.critical_ms()), (0, 2750), "b is cached");
    assert_eq!(weights.after_ms(0), 750, "c");
    let weights = Weights::new(&plan, &known, |at, ms| if at == 0 { 0 } else { ms / 2 });
    assert_eq!((weights.wall_ms(&plan, 1), weights.wall_ms(&plan, 2)), (2378, 2375));
}

/// `sed` of the final system needs little and so lies low in the graph, lower than a late temporary tool:
/// by depth alone, that tool's files would hide those of the system.
#[test]
fn the_final_system_lies_above_the_temporary_tools_however_shallow_it_is() {
    let stages = [("bash", Stage::Temporary), ("perl", Stage::Chroot), ("sed", Stage::System)];
    let mut recipes = vec![
        recipe("glibc", 505, 1, &[]),
        recipe("bash", 604, 1, &["glibc"]),
        recipe("late", 618, 1, &["bash"]),
        recipe("perl", 709, 1, &["late"]),
        recipe("sed", 831, 1, &["glibc"]),
        recipe("grep", 835, 1, &["sed", "perl", "late", "glibc", "bash"]),
    ];
    for recipe in &mut recipes {
        let own = stages.iter().find(|(name, _)| recipe.id == id(name));
        recipe.stage = own.map_or(Stage::Temporary, |(_, stage)| *stage);
    }
    let plan = Plan::for_target(&set(recipes), "grep").unwrap();
    let grep = &plan.steps()[plan.position(&id("grep")).unwrap()];
    let layers: Vec<_> = grep.inputs.iter().map(|at| plan.steps()[*at].id.to_string()).collect();
    assert_eq!(layers, ["glibc", "bash", "late", "perl", "sed"]);
}
