//! Plans of the recipes that MinOS ships.

use std::path::Path;

use minos_plan::{Estimates, Plan, Weights};
use minos_recipe::RecipeSet;

fn plan(target: &str) -> Plan {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    Plan::for_target(&RecipeSet::load(&dir).unwrap().0, target).unwrap()
}

fn names(plan: &Plan, at: impl IntoIterator<Item = usize>) -> Vec<String> {
    at.into_iter().map(|at| plan.steps()[at].id.to_string()).collect()
}

#[test]
fn toolchain_is_built_in_the_order_of_the_book() {
    let plan = plan("lfs/toolchain");
    let want = ["skeleton", "binutils:pass1", "gcc:pass1", "linux-headers", "glibc", "libstdcxx"];
    assert_eq!(names(&plan, 0..plan.steps().len()), want);
    let weights = Weights::new(&plan, &Estimates::new(Default::default(), 1000), |_, ms| ms);
    let critical = ["skeleton", "binutils:pass1", "gcc:pass1", "glibc", "libstdcxx"];
    assert_eq!(names(&plan, weights.critical().to_vec()), critical);
}

/// A skeleton above another output would have its links hidden by real directories.
#[test]
fn skeleton_is_the_lowest_layer_of_every_step_that_has_layers() {
    let plan = plan("lfs/toolchain");
    for step in plan.steps().iter().filter(|step| !step.inputs.is_empty()) {
        let layers = names(&plan, step.inputs.clone());
        assert_eq!(layers[0], "skeleton", "{}: {layers:?}", step.id);
    }
}

#[test]
fn demo_packages_need_nothing_but_the_seed() {
    for target in ["demo/zlib", "demo/m4"] {
        assert_eq!(plan(target).steps().len(), 1, "{target}");
    }
}
