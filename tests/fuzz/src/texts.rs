//! Texts: the vocabulary of versions and requirements, and the manifest of an output.

use core::cmp::Ordering;

use minos_model::package::PackagePath;
use minos_model::{Capability, Constraint, Digest, Manifest, Name, Requirement, StepId, Version};
use minos_solve::{Pin, Want};

use crate::one_text;

/// Versions, one a line: each has one text, and their order is total.
pub fn version(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let list: Vec<Version> = text.lines().take(6).filter_map(one_text).collect();
    for a in &list {
        for b in &list {
            let order = a.cmp(b);
            assert_eq!(order.reverse(), b.cmp(a), "{a} and {b}");
            assert_eq!(order == Ordering::Equal, a == b, "{a} and {b}");
            for c in &list {
                assert!(!(a <= b && b <= c) || a <= c, "{a}, {b}, {c}");
            }
        }
    }
    !list.is_empty()
}

/// What can be asked for, one a line: requirements, constraints, capabilities, wants, pins, names.
pub fn requirement(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut taken = false;
    for line in text.lines().take(8) {
        taken |= one_text::<Requirement>(line).is_some();
        taken |= one_text::<Constraint>(line).is_some();
        taken |= one_text::<Capability>(line).is_some();
        taken |= one_text::<Want>(line).is_some();
        taken |= one_text::<Name>(line).is_some();
        taken |= one_text::<StepId>(line).is_some();
        taken |= one_text::<PackagePath>(line).is_some();
        taken |= one_text::<Digest>(line).is_some();
        taken |= line.parse::<Pin>().is_ok();
    }
    taken
}

/// The manifest of an output.
pub fn output_manifest(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let Ok(manifest) = Manifest::parse(text) else { return false };
    assert_eq!(manifest.to_string(), text);
    assert_eq!(Manifest::new(manifest.entries().to_vec()), manifest, "it was not in order");
    let _ = manifest.size();
    true
}
